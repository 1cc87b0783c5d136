// Simulation top of the mutants: the changed accelerator, the memory, a master for register accesses
// that may dawdle, and errors that the memory answers with on request.
//
// Nothing but flip-flops reads the inputs, as in sim/harness.v.

module mutation #(
    parameter ROWS = 4,
    parameter DEPTH_BITS = 19
) (
    input clk,
    input rst,
    output irq,

    input [15:0] mutant,                  // 0: none

    // Memory: see sim/axi_memory.v
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
    output [7:0] violations,

    input [31:0] base,                    // bus address of the memory's first word
    input [31:0] bad_read,                // the beat since `load`, from 1 on, that is answered with
    input [31:0] bad_write,               // SLVERR, or the response; 0: none

    // A register access starts when access_go differs from access_done and is over when they agree.
    input access_go,
    output reg access_done,
    input access_write,
    input [13:0] access_address,
    input [31:0] access_data,
    input [3:0] access_strobe,
    input [7:0] address_wait,             // cycles before the address, the data, and the readiness
    input [7:0] data_wait,                // for the answer
    input [7:0] answer_wait,
    input twice,                          // the next read's address follows at once: it is the same
    output reg [31:0] access_value,
    // Breaches by the register port: an answer withdrawn or changed; one with an error; one that
    // nobody asked for. By any port: something valid or taken within a reset.
    output reg [3:0] breaches
);
    reg reset, reset_before, busy, finished, again, owed;
    reg axil_awvalid, axil_wvalid, axil_arvalid, ready, writes;
    reg [7:0] address_in, data_in, answer_in;
    reg [13:0] axil_addr;
    reg [31:0] axil_wdata;
    reg [3:0] axil_wstrb;
    wire axil_awready, axil_wready, axil_arready, axil_bvalid, axil_rvalid;
    wire [31:0] axil_rdata;
    wire [1:0] axil_bresp, axil_rresp;
    reg held;
    reg [33:0] shown;

    wire answered = (axil_bvalid && writes || axil_rvalid && !writes) && ready;

    wire awvalid, awready, wvalid, wready, wlast, bvalid, bready;
    wire arvalid, arready, rvalid, rready, rlast;

    always @(posedge clk) begin
        reset <= rst;
        reset_before <= reset;
        if (axil_awready) axil_awvalid <= 0;
        if (axil_wready) axil_wvalid <= 0;
        if (axil_arready && axil_arvalid) begin
            axil_arvalid <= again;
            again <= 0;
        end
        if (busy && address_in != 0) address_in <= address_in - 1;
        if (busy && data_in != 0) data_in <= data_in - 1;
        if (address_in == 1 && busy) begin
            axil_awvalid <= writes;
            axil_arvalid <= !writes;
        end
        if (data_in == 1 && busy) axil_wvalid <= writes;
        if (!busy && !finished && access_go != access_done) begin
            busy <= 1;
            writes <= access_write;
            address_in <= address_wait + 1;
            data_in <= data_wait + 1;
            answer_in <= answer_wait;
            axil_addr <= access_address;
            axil_wdata <= access_data;
            axil_wstrb <= access_strobe;
            ready <= answer_wait == 0;
            {again, owed} <= {2{twice && !access_write}};
        end
        if (busy && (axil_bvalid || axil_rvalid)) begin
            if (answer_in != 0) answer_in <= answer_in - 1;
            if (answer_in == 1) ready <= 1;
        end
        if (busy && answered && owed) owed <= 0;
        if (busy && answered && !owed) begin
            busy <= 0;
            ready <= 0;
            finished <= 1;
            access_value <= axil_rdata;
        end
        if (finished) begin  // a cycle later: the value stands when access_done changes
            finished <= 0;
            access_done <= access_go;
        end

        if (held && (!(axil_bvalid || axil_rvalid) || shown != {axil_rdata, axil_rresp}))
            breaches[0] <= 1;
        held <= (axil_bvalid || axil_rvalid) && !ready;
        shown <= {axil_rdata, axil_rresp};
        if (axil_bvalid && axil_bresp != 0 || axil_rvalid && axil_rresp != 0) breaches[1] <= 1;
        if (axil_bvalid && !(busy && writes) || axil_rvalid && !(busy && !writes)) breaches[2] <= 1;
        if (reset) begin
            {busy, finished, access_done, axil_awvalid, axil_wvalid, axil_arvalid} <= 0;
            {ready, held, again, owed} <= 0;
        end
        if (reset && reset_before)
            if (awvalid || wvalid || arvalid || axil_bvalid || axil_rvalid || axil_awready
                || axil_wready || axil_arready || irq) breaches[3] <= 1;
        if (load) breaches <= 0;
    end

    wire [31:0] awaddr, araddr;
    wire [7:0] awlen, arlen;
    wire [2:0] awsize, arsize;
    wire [1:0] awburst, arburst, bresp, rresp;
    wire [8*ROWS-1:0] wdata, rdata;
    wire [ROWS-1:0] wstrb;

    // The memory has its own idea of where it begins.
    localparam [31:0] BASE = 32'h4000_0000;
    wire [31:0] awplace = awaddr - base + BASE, arplace = araddr - base + BASE;
    reg [31:0] reads, answers;
    wire [1:0] rcode = reads == bad_read ? 2'b10 : rresp;
    wire [1:0] bcode = answers == bad_write ? 2'b10 : bresp;
    always @(posedge clk) begin
        if (rvalid && rready) reads <= reads + 1;
        if (bvalid && bready) answers <= answers + 1;
        if (load) {reads, answers} <= {32'd1, 32'd1};
    end

    axi_memory #(.ROWS(ROWS), .DEPTH_BITS(DEPTH_BITS)) memory (
        .clk(clk), .rst(reset),
        .latency(latency), .rate(rate), .stall(stall), .hold(hold), .early(early), .late(late),
        .jitter(jitter), .seed(seed),
        .arm(1'b0), .fault(3'd0), .fault_at(0), .fault_cycles(16'd0), .fault_response(2'd0),
        .flip(1'b0), .flip_bit(0),
        .load(load), .dump(dump), .job(job), .load_words(load_words),
        .dump_first(dump_first), .dump_last(dump_last),
        .awvalid(awvalid), .awready(awready), .awaddr(awplace), .awlen(awlen),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb(wstrb), .wlast(wlast),
        .bvalid(bvalid), .bready(bready), .bresp(bresp),
        .arvalid(arvalid), .arready(arready), .araddr(arplace), .arlen(arlen),
        .rvalid(rvalid), .rready(rready), .rdata(rdata), .rresp(rresp), .rlast(rlast)
    );

    master_checks #(.ROWS(ROWS)) master_checks (
        .clk(clk), .rst(reset), .clear(load),
        .awvalid(awvalid), .awready(awready), .awaddr(awplace), .awlen(awlen), .awsize(awsize),
        .awburst(awburst),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb(wstrb), .wlast(wlast),
        .arvalid(arvalid), .arready(arready), .araddr(arplace), .arlen(arlen), .arsize(arsize),
        .arburst(arburst),
        .violations(violations)
    );

    resarray accelerator (
        .mutant(mutant),
        .clk(clk), .rst(reset), .irq(irq),
        .m_axi__awvalid(awvalid), .m_axi__awready(awready), .m_axi__awaddr(awaddr),
        .m_axi__awlen(awlen), .m_axi__awsize(awsize), .m_axi__awburst(awburst),
        .m_axi__wvalid(wvalid), .m_axi__wready(wready), .m_axi__wdata(wdata),
        .m_axi__wstrb(wstrb), .m_axi__wlast(wlast),
        .m_axi__bvalid(bvalid), .m_axi__bready(bready), .m_axi__bresp(bcode),
        .m_axi__arvalid(arvalid), .m_axi__arready(arready), .m_axi__araddr(araddr),
        .m_axi__arlen(arlen), .m_axi__arsize(arsize), .m_axi__arburst(arburst),
        .m_axi__rvalid(rvalid), .m_axi__rready(rready), .m_axi__rdata(rdata),
        .m_axi__rresp(rcode), .m_axi__rlast(rlast),
        .s_axil__awvalid(axil_awvalid), .s_axil__awready(axil_awready),
        .s_axil__awaddr(axil_addr),
        .s_axil__wvalid(axil_wvalid), .s_axil__wready(axil_wready), .s_axil__wdata(axil_wdata),
        .s_axil__wstrb(axil_wstrb),
        .s_axil__bvalid(axil_bvalid), .s_axil__bready(ready), .s_axil__bresp(axil_bresp),
        .s_axil__arvalid(axil_arvalid), .s_axil__arready(axil_arready),
        .s_axil__araddr(axil_addr),
        .s_axil__rvalid(axil_rvalid), .s_axil__rready(ready), .s_axil__rdata(axil_rdata),
        .s_axil__rresp(axil_rresp)
    );
endmodule
