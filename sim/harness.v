// Simulation top: the accelerator between a memory and an AXI4-Lite port that the testbench drives.

module harness #(
    parameter ROWS = 8,
    parameter DEPTH_BITS = 20
) (
    input clk,
    input rst,
    output irq,

    // Memory: see axi_memory.v
    input [15:0] latency,
    input [15:0] rate,
    input [7:0] stall,
    input [31:0] seed,
    input load,
    input dump,
    input [31:0] job,
    input [31:0] load_words,
    input [31:0] dump_first,
    input [31:0] dump_last,
    output [7:0] violations,

    input axil_awvalid, output axil_awready, input [13:0] axil_awaddr,
    input axil_wvalid, output axil_wready, input [31:0] axil_wdata,
    output axil_bvalid, output [1:0] axil_bresp,
    input axil_arvalid, output axil_arready, input [13:0] axil_araddr,
    output axil_rvalid, output [31:0] axil_rdata, output [1:0] axil_rresp
);
    wire awvalid, awready, wvalid, wready, wlast, bvalid, bready;
    wire arvalid, arready, rvalid, rready, rlast;
    wire [31:0] awaddr, araddr;
    wire [7:0] awlen, arlen;
    wire [2:0] awsize, arsize;
    wire [1:0] awburst, arburst, bresp, rresp;
    wire [8*ROWS-1:0] wdata, rdata;
    wire [ROWS-1:0] wstrb;

    axi_memory #(.ROWS(ROWS), .DEPTH_BITS(DEPTH_BITS)) memory (
        .clk(clk), .rst(rst),
        .latency(latency), .rate(rate), .stall(stall), .seed(seed),
        .load(load), .dump(dump), .job(job), .load_words(load_words),
        .dump_first(dump_first), .dump_last(dump_last), .violations(violations),
        .awvalid(awvalid), .awready(awready), .awaddr(awaddr), .awlen(awlen), .awsize(awsize),
        .awburst(awburst),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb(wstrb), .wlast(wlast),
        .bvalid(bvalid), .bready(bready), .bresp(bresp),
        .arvalid(arvalid), .arready(arready), .araddr(araddr), .arlen(arlen), .arsize(arsize),
        .arburst(arburst),
        .rvalid(rvalid), .rready(rready), .rdata(rdata), .rresp(rresp), .rlast(rlast)
    );

    resarray accelerator (
        .clk(clk), .rst(rst), .irq(irq),
        .m_axi__awvalid(awvalid), .m_axi__awready(awready), .m_axi__awaddr(awaddr),
        .m_axi__awlen(awlen), .m_axi__awsize(awsize), .m_axi__awburst(awburst),
        .m_axi__wvalid(wvalid), .m_axi__wready(wready), .m_axi__wdata(wdata),
        .m_axi__wstrb(wstrb), .m_axi__wlast(wlast),
        .m_axi__bvalid(bvalid), .m_axi__bready(bready), .m_axi__bresp(bresp),
        .m_axi__arvalid(arvalid), .m_axi__arready(arready), .m_axi__araddr(araddr),
        .m_axi__arlen(arlen), .m_axi__arsize(arsize), .m_axi__arburst(arburst),
        .m_axi__rvalid(rvalid), .m_axi__rready(rready), .m_axi__rdata(rdata),
        .m_axi__rresp(rresp), .m_axi__rlast(rlast),
        .s_axil__awvalid(axil_awvalid), .s_axil__awready(axil_awready),
        .s_axil__awaddr(axil_awaddr),
        .s_axil__wvalid(axil_wvalid), .s_axil__wready(axil_wready), .s_axil__wdata(axil_wdata),
        .s_axil__wstrb(4'b1111),
        .s_axil__bvalid(axil_bvalid), .s_axil__bready(1'b1), .s_axil__bresp(axil_bresp),
        .s_axil__arvalid(axil_arvalid), .s_axil__arready(axil_arready),
        .s_axil__araddr(axil_araddr),
        .s_axil__rvalid(axil_rvalid), .s_axil__rready(1'b1), .s_axil__rdata(axil_rdata),
        .s_axil__rresp(axil_rresp)
    );
endmodule
