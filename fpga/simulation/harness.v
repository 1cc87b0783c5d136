// Simulation top: the SoC as on a ULX3S, its memory chip, and the pins that a host sees.

`timescale 1ps/1ps

module board (
    input clk25,
    input reset,
    input serial_rx,
    output serial_tx,
    output irq,
    output [11:0] violations
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
endmodule
