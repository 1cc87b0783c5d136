// Protocol checkers inside the accelerator: its streams, the counts that instructions wait for, and
// what it does at the memory port. The bits are named in checks.py.

`ifndef CORE
`define CORE harness.accelerator.core
`endif

// An instruction that is shown to its engine stays until it is taken; then its queue is not full.
module queue_check (
    input clk,
    input rst,
    input clear,
    input valid,
    input full,
    input [255:0] bits,
    output reg broken
);
    reg held;
    reg [255:0] shown;

    always @(posedge clk) begin
        if (held) begin
            if (full && (!valid || bits !== shown)) broken = 1;
        end else if (valid) shown = bits;
        held = valid && !rst;
        if (clear) broken = 0;
    end
endmodule

// An instruction's words come only while there is room for them, a power of two.
module room_check (
    input clk,
    input rst,
    input clear,
    input valid,
    input full,
    output reg broken
);
    always @(posedge clk) begin
        if (valid && full && !rst) broken = 1;
        if (clear) broken = 0;
    end
endmodule

module core_checks #(parameter ROWS = 8) (
    input clk,
    input rst,
    input clear,
    input rvalid, input rready, input bvalid, input bready,
    output [30:0] violations
);
    localparam WORD = 8 * ROWS, BURST = 57;
    localparam PATIENCE = 4;              // cycles from a burst to the tag of its data

    wire [26:0] streams;
    reg [3:0] rules;
    assign violations = {streams, rules};

    // A start resets all units in the same cycle.
    wire reset = `CORE.fetch_rst;

`define STREAM(N, BITS, PATH) \
    stream_check #(.WIDTH(BITS)) stream``N ( \
        .clk(clk), .rst(reset), .clear(clear), .valid(PATH``valid), .ready(PATH``ready), \
        .payload(PATH``payload), .broken(streams[N]) \
    );
`define ROOM(N, PATH) \
    room_check stream``N ( \
        .clk(clk), .rst(reset), .clear(clear), .valid(PATH.fifo.i__valid), \
        .full(PATH.fifo.level[$bits(PATH.fifo.level) - 1]), .broken(streams[N]) \
    );
`define QUEUE(N, PATH) \
    queue_check stream``N ( \
        .clk(clk), .rst(reset), .clear(clear), .valid(PATH.offered), .full(PATH.full), \
        .bits(PATH.bits), .broken(streams[N]) \
    );
    `ROOM(0, `CORE.queue_load)
    `ROOM(1, `CORE.queue_weights)
    `ROOM(2, `CORE.queue_residual)
    `ROOM(3, `CORE.queue_compute)
    `ROOM(4, `CORE.queue_drain)
    `ROOM(5, `CORE.queue_store)
    `QUEUE(6, `CORE.queue_load)
    `QUEUE(7, `CORE.queue_weights)
    `QUEUE(8, `CORE.queue_residual)
    `QUEUE(9, `CORE.queue_compute)
    `QUEUE(10, `CORE.queue_drain)
    `QUEUE(11, `CORE.queue_store)
    `STREAM(12, BURST, `CORE.load.reader.splitter.o__)
    `STREAM(13, BURST, `CORE.weights.splitter.o__)
    `STREAM(14, BURST, `CORE.residual.splitter.o__)
    `STREAM(15, BURST, `CORE.fetch.reader.splitter.o__)
    `STREAM(16, BURST, `CORE.store.splitter.o__)
    `STREAM(17, BURST, `CORE.arbiter.request__0__)
    `STREAM(18, BURST, `CORE.arbiter.request__1__)
    `STREAM(19, BURST, `CORE.arbiter.request__2__)
    `STREAM(20, BURST, `CORE.arbiter.request__3__)
    `STREAM(21, WORD, `CORE.load.reader.fifo.o__)
    `STREAM(22, WORD, `CORE.weights.fifo.o__)
    `STREAM(23, WORD, `CORE.residual.fifo.o__)
    `STREAM(24, WORD, `CORE.fetch.reader.fifo.o__)
    `STREAM(25, WORD, `CORE.drain.pool.o__)
    `STREAM(26, WORD, `CORE.store.fifo.o__)

    reg failed, halted, arvalid, awvalid;
    reg [2:0] r_waited, b_waited;

    always @(posedge clk) begin
        if (`CORE.completion.done__0 > `CORE.completion.dispatched__0
            || `CORE.completion.done__1 > `CORE.completion.dispatched__1
            || `CORE.completion.done__2 > `CORE.completion.dispatched__2
            || `CORE.completion.done__3 > `CORE.completion.dispatched__3
            || `CORE.completion.done__4 > `CORE.completion.dispatched__4
            || `CORE.completion.done__5 > `CORE.completion.dispatched__5) rules[0] = 1;
        if (halted && (`CORE.arbiter.bus__arvalid && !arvalid
            || `CORE.store.bus__awvalid && !awvalid)) rules[1] = 1;
        if (r_waited > PATIENCE) rules[2] = 1;
        if (b_waited > PATIENCE) rules[3] = 1;
        if (clear) rules = 0;
        // Whether a burst begins is decided the cycle before.
        halted = failed && !reset;
        failed = `CORE.errors.failed && !reset;
        arvalid = `CORE.arbiter.bus__arvalid;
        awvalid = `CORE.store.bus__awvalid;
        r_waited = rvalid && !rready && !rst ? r_waited + 1 : 0;
        b_waited = bvalid && !bready && !rst ? b_waited + 1 : 0;
    end
endmodule
