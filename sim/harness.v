// Simulation top: the accelerator, a memory, a master for single register accesses, and checkers.
//
// Nothing but flip-flops reads the inputs: logic between an input and a flip-flop would be evaluated
// anew on every clock edge, which costs Verilator a third of its speed.

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
    input [39:0] stall,
    input [3:0] hold,
    input early,
    input late,
    input jitter,
    input [31:0] seed,
    input load,
    input dump,
    input [31:0] job,
    input [31:0] load_words,
    input [31:0] dump_first,
    input [31:0] dump_last,
    input arm,
    input [2:0] fault,
    input [31:0] fault_at,
    input [15:0] fault_cycles,
    input [1:0] fault_response,
    input flip,
    input [31:0] flip_bit,

    output [63:0] violations,             // see checks.py
    output [7:0] reads, writes,           // bursts without their whole answer
    output [31:0] bad_burst,              // bus address of the first with an error response

    input [31:0] window,                  // see activity.v

    // A register access starts when access_go differs from access_done and is over when they agree.
    input access_go,
    output reg access_done,
    input access_write,
    input [13:0] access_address,
    input [31:0] access_data,
    output reg [31:0] access_value
);
    reg reset, busy, finished;
    reg axil_awvalid, axil_wvalid, axil_arvalid;
    reg [13:0] axil_addr;
    reg [31:0] axil_wdata;
    wire axil_awready, axil_wready, axil_arready, axil_bvalid, axil_rvalid;
    wire [31:0] axil_rdata;
    reg [1:0] turn;
    reg axil_ready;                       // a response waits now and then

    always @(posedge clk) begin
        reset <= rst;
        turn <= turn + 1;
        axil_ready <= turn[1];
        if (axil_awready) axil_awvalid <= 0;
        if (axil_wready) axil_wvalid <= 0;
        if (axil_arready) axil_arvalid <= 0;
        if (!busy && !finished && access_go != access_done) begin
            busy <= 1;
            {axil_awvalid, axil_wvalid} <= {2{access_write}};
            axil_arvalid <= !access_write;
            axil_addr <= access_address;
            axil_wdata <= access_data;
        end
        if (busy && axil_ready && (axil_bvalid || axil_rvalid)) begin
            busy <= 0;
            finished <= 1;
            access_value <= axil_rdata;
        end
        if (finished) begin  // a cycle later: the value stands when access_done changes
            finished <= 0;
            access_done <= access_go;
        end
        if (reset) {busy, finished, access_done, axil_awvalid, axil_wvalid, axil_arvalid} <= 0;
        if (reset) {turn, axil_ready} <= 0;
    end

    wire awvalid, awready, wvalid, wready, wlast, bvalid, bready;
    wire arvalid, arready, rvalid, rready, rlast;
    wire [31:0] awaddr, araddr;
    wire [7:0] awlen, arlen;
    wire [2:0] awsize, arsize;
    wire [1:0] awburst, arburst, bresp, rresp;
    wire [8*ROWS-1:0] wdata, rdata;
    wire [ROWS-1:0] wstrb;

    axi_memory #(.ROWS(ROWS), .DEPTH_BITS(DEPTH_BITS)) memory (
        .clk(clk), .rst(reset),
        .latency(latency), .rate(rate), .stall(stall), .hold(hold), .early(early), .late(late),
        .jitter(jitter), .seed(seed),
        .load(load), .dump(dump), .job(job), .load_words(load_words),
        .dump_first(dump_first), .dump_last(dump_last),
        .arm(arm), .fault(fault), .fault_at(fault_at), .fault_cycles(fault_cycles),
        .fault_response(fault_response), .flip(flip), .flip_bit(flip_bit),
        .awvalid(awvalid), .awready(awready), .awaddr(awaddr), .awlen(awlen),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb(wstrb), .wlast(wlast),
        .bvalid(bvalid), .bready(bready), .bresp(bresp),
        .arvalid(arvalid), .arready(arready), .araddr(araddr), .arlen(arlen),
        .rvalid(rvalid), .rready(rready), .rdata(rdata), .rresp(rresp), .rlast(rlast)
    );

    resarray accelerator (
        .clk(clk), .rst(reset), .irq(irq),
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
        .s_axil__awaddr(axil_addr),
        .s_axil__wvalid(axil_wvalid), .s_axil__wready(axil_wready), .s_axil__wdata(axil_wdata),
        .s_axil__wstrb(4'b1111),
        .s_axil__bvalid(axil_bvalid), .s_axil__bready(axil_ready), .s_axil__bresp(),
        .s_axil__arvalid(axil_arvalid), .s_axil__arready(axil_arready),
        .s_axil__araddr(axil_addr),
        .s_axil__rvalid(axil_rvalid), .s_axil__rready(axil_ready), .s_axil__rdata(axil_rdata),
        .s_axil__rresp()
    );

    master_checks #(.ROWS(ROWS)) master_checks (
        .clk(clk), .rst(reset), .clear(load),
        .awvalid(awvalid), .awready(awready), .awaddr(awaddr), .awlen(awlen), .awsize(awsize),
        .awburst(awburst),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb(wstrb), .wlast(wlast),
        .arvalid(arvalid), .arready(arready), .araddr(araddr), .arlen(arlen), .arsize(arsize),
        .arburst(arburst),
        .violations(violations[7:0])
    );
    port_checks #(.ROWS(ROWS)) port_checks (
        .clk(clk), .rst(reset), .clear(load), .irq(irq),
        .awvalid(awvalid), .awready(awready), .awaddr(awaddr), .awlen(awlen),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wlast(wlast),
        .bvalid(bvalid), .bready(bready), .bresp(bresp),
        .arvalid(arvalid), .arready(arready), .araddr(araddr), .arlen(arlen),
        .rvalid(rvalid), .rready(rready), .rdata(rdata), .rresp(rresp), .rlast(rlast),
        .axil_awvalid(axil_awvalid), .axil_awready(axil_awready), .axil_addr(axil_addr),
        .axil_wvalid(axil_wvalid), .axil_wready(axil_wready), .axil_wdata(axil_wdata),
        .axil_bvalid(axil_bvalid), .axil_bready(axil_ready),
        .axil_arvalid(axil_arvalid), .axil_arready(axil_arready),
        .axil_rvalid(axil_rvalid), .axil_rready(axil_ready), .axil_rdata(axil_rdata),
        .reads(reads), .writes(writes), .bad_burst(bad_burst), .violations(violations[19:8])
    );
    assign violations[63:51] = 0;

    // Look inside the accelerator: what stands in for it in a test has no activity.
`ifdef ACTIVITY
    core_checks #(.ROWS(ROWS)) core_checks (
        .clk(clk), .rst(reset), .clear(load),
        .rvalid(rvalid), .rready(rready), .bvalid(bvalid), .bready(bready),
        .violations(violations[50:20])
    );
`else
    assign violations[50:20] = 0;
`endif
`ifdef ACTIVITY
    activity activity (
        .clk(clk), .rst(reset), .window(window), .job(job),
        .running(accelerator.core.profile.events__cycles),
        .fetch(accelerator.core.fetch.data__valid),
        .load(accelerator.core.load.data__valid),
        .weights(accelerator.core.weights.data__valid),
        .residual(accelerator.core.residual.data__valid),
        .compute(accelerator.core.profile.events__busy),
        .drain(accelerator.core.drain.read[0]),
        .store(accelerator.core.profile.events__write_beats),
        .wait_instruction(accelerator.core.profile.events__wait_instruction),
        .wait_load(accelerator.core.profile.events__wait_load),
        .wait_drain(accelerator.core.profile.events__wait_drain),
        .wait_weights(accelerator.core.profile.events__wait_weights)
    );
`endif
`ifdef WAVES
    waves waves (
        .clk(clk), .rst(reset), .job(job),
        .running(accelerator.core.profile.events__cycles),
        .layers(accelerator.core.profile.records),
        .state_load(accelerator.core.status__state__0),
        .state_weights(accelerator.core.status__state__1),
        .state_residual(accelerator.core.status__state__2),
        .state_compute(accelerator.core.status__state__3),
        .state_drain(accelerator.core.status__state__4),
        .state_store(accelerator.core.status__state__5),
        .compute(accelerator.core.profile.events__busy),
        .wait_instruction(accelerator.core.profile.events__wait_instruction),
        .wait_load(accelerator.core.profile.events__wait_load),
        .wait_drain(accelerator.core.profile.events__wait_drain),
        .wait_weights(accelerator.core.profile.events__wait_weights),
        .sent({
            accelerator.core.fetch.queue__5__valid, accelerator.core.fetch.queue__4__valid,
            accelerator.core.fetch.queue__3__valid, accelerator.core.fetch.queue__2__valid,
            accelerator.core.fetch.queue__1__valid, accelerator.core.fetch.queue__0__valid
        })
    );
`endif
endmodule
