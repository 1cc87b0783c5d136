// Simulation top: the SoC as on a ULX3S, its memory chip, the pins that a host sees, and checkers: of
// the chip's commands, and those of the accelerator that are bound in every simulation.

`timescale 1ps/1ps
`define CORE board.soc.resarray.core
`define PORT soc.resarray

module board #(parameter ROWS = 4) (
    input clk25,
    input reset,
    input serial_rx,
    output serial_tx,
    output irq,
    output [11:0] violations,             // see run.py
    output [50:0] broken                  // see resarray.sim.checks
);
    wire [12:0] a;
    wire [1:0] ba, dm;
    wire [15:0] dq;
    wire cas_n, cke, clock, cs_n, ras_n, we_n;

    soc soc (
        .clk25(clk25), .rst(reset),
        .sdram_a(a), .sdram_ba(ba), .sdram_cas_n(cas_n), .sdram_cke(cke), .sdram_clock(clock),
        .sdram_cs_n(cs_n), .sdram_dm(dm), .sdram_dq(dq), .sdram_ras_n(ras_n), .sdram_we_n(we_n),
        .serial_rx(serial_rx), .serial_tx(serial_tx),
        .user_led0(irq), .wifi_gpio0()
    );
    sdram memory (
        .clk(clock), .cke(cke), .cs_n(cs_n), .ras_n(ras_n), .cas_n(cas_n), .we_n(we_n), .ba(ba),
        .a(a), .dm(dm), .dq(dq), .violations(violations)
    );

    wire clk = `PORT.clk, rst = `PORT.rst;
    master_checks #(.ROWS(ROWS)) master_checks (
        .clk(clk), .rst(rst), .clear(reset),
        .awvalid(`PORT.m_axi__awvalid), .awready(`PORT.m_axi__awready),
        .awaddr(`PORT.m_axi__awaddr), .awlen(`PORT.m_axi__awlen), .awsize(`PORT.m_axi__awsize),
        .awburst(`PORT.m_axi__awburst),
        .wvalid(`PORT.m_axi__wvalid), .wready(`PORT.m_axi__wready), .wdata(`PORT.m_axi__wdata),
        .wstrb(`PORT.m_axi__wstrb), .wlast(`PORT.m_axi__wlast),
        .arvalid(`PORT.m_axi__arvalid), .arready(`PORT.m_axi__arready),
        .araddr(`PORT.m_axi__araddr), .arlen(`PORT.m_axi__arlen), .arsize(`PORT.m_axi__arsize),
        .arburst(`PORT.m_axi__arburst),
        .violations(broken[7:0])
    );
    port_checks #(.ROWS(ROWS)) port_checks (
        .clk(clk), .rst(rst), .clear(reset), .irq(`PORT.irq),
        .awvalid(`PORT.m_axi__awvalid), .awready(`PORT.m_axi__awready),
        .awaddr(`PORT.m_axi__awaddr), .awlen(`PORT.m_axi__awlen),
        .wvalid(`PORT.m_axi__wvalid), .wready(`PORT.m_axi__wready), .wdata(`PORT.m_axi__wdata),
        .wlast(`PORT.m_axi__wlast),
        .bvalid(`PORT.m_axi__bvalid), .bready(`PORT.m_axi__bready), .bresp(`PORT.m_axi__bresp),
        .arvalid(`PORT.m_axi__arvalid), .arready(`PORT.m_axi__arready),
        .araddr(`PORT.m_axi__araddr), .arlen(`PORT.m_axi__arlen),
        .rvalid(`PORT.m_axi__rvalid), .rready(`PORT.m_axi__rready), .rdata(`PORT.m_axi__rdata),
        .rresp(`PORT.m_axi__rresp), .rlast(`PORT.m_axi__rlast),
        .axil_awvalid(`PORT.s_axil__awvalid), .axil_awready(`PORT.s_axil__awready),
        .axil_addr(`PORT.s_axil__awaddr),
        .axil_wvalid(`PORT.s_axil__wvalid), .axil_wready(`PORT.s_axil__wready),
        .axil_wdata(`PORT.s_axil__wdata),
        .axil_bvalid(`PORT.s_axil__bvalid), .axil_bready(`PORT.s_axil__bready),
        .axil_arvalid(`PORT.s_axil__arvalid), .axil_arready(`PORT.s_axil__arready),
        .axil_rvalid(`PORT.s_axil__rvalid), .axil_rready(`PORT.s_axil__rready),
        .axil_rdata(`PORT.s_axil__rdata),
        .reads(), .writes(), .bad_burst(), .violations(broken[19:8])
    );
    core_checks #(.ROWS(ROWS)) core_checks (
        .clk(clk), .rst(rst), .clear(reset),
        .rvalid(`PORT.m_axi__rvalid), .rready(`PORT.m_axi__rready),
        .bvalid(`PORT.m_axi__bvalid), .bready(`PORT.m_axi__bready),
        .violations(broken[50:20])
    );
endmodule
