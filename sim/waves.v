// Waveforms, for simulation: writes waves.fst over a window of the first program's run, and shows the
// engines' states as numbers that a viewer can name (see waves.py).
//
// The window is +waves_from up to, without, +waves_to in cycles of the run; or, with +waves_layer
// (from 0), from the end of the layer before to +waves_tail cycles after that layer's end, as the
// hardware's profile records tell it.

module waves (
    input clk,
    input rst,
    input [31:0] job,
    input running,
    input [31:0] layers,              // profile records so far
    input [31:0] state_load, state_weights, state_residual, state_compute, state_drain, state_store,
    input compute,                                                // the array takes a pixel
    input wait_instruction, wait_load, wait_drain, wait_weights,  // why the array is idle
    input [5:0] sent                                              // a word goes to this queue
);
    reg [31:0] cycle;                 // of the run, the first is 0
    reg [31:0] from, to, layer, tail, after;
    reg by_layer, dumping, over;

    initial begin
        cycle = 0;
        after = 0;
        dumping = 0;
        over = 0;
        if (!$value$plusargs("waves_from=%d", from)) from = 0;
        if (!$value$plusargs("waves_to=%d", to)) to = 0;
        by_layer = $value$plusargs("waves_layer=%d", layer);
        if (!$value$plusargs("waves_tail=%d", tail)) tail = 0;
    end

    // A window from the first cycle on also shows how the run is started.
    wire [31:0] next = cycle + 1;
    wire begins = by_layer ? layer == 0 || (running && layers == layer)
        : from == 0 || (running && next >= from);
    wire ends = by_layer ? after == tail : running && next >= to;
    wire finished = cycle != 0 && !running;

    always @(posedge clk) if (job == 0 && !rst) begin
        if (running) cycle <= next;
        if (dumping && layers > layer) after <= after + 1;
        if (!dumping && !over && begins) begin
            dumping <= 1;
            $dumpfile("waves.fst");
            $dumpvars(0, harness);
        end
        if (dumping && (ends || finished)) begin
            dumping <= 0;
            over <= 1;
`ifdef VERILATOR
            $c("vlSymsp->_traceDumpClose();");  // it ignores $dumpoff
`else
            $dumpoff;
`endif
        end
    end

    // Engines: 0 idle, 1 busy, 3 its next instruction waits for another engine.
    wire [1:0] load = state_load[1:0];
    wire [1:0] weights = state_weights[1:0];
    wire [1:0] residual = state_residual[1:0];
    wire [1:0] compute_engine = state_compute[1:0];
    wire [1:0] drain = state_drain[1:0];
    wire [1:0] store = state_store[1:0];
    wire [2:0] array = !running ? 0 : compute ? 1 : wait_instruction ? 2 : wait_load ? 3
        : wait_drain ? 4 : wait_weights ? 5 : 0;
    // Opcode of the instruction that goes to its queue, 0: none.
    wire [3:0] opcode = sent[0] ? 1 : sent[1] ? 2 : sent[2] ? 3 : sent[3] ? 4 : sent[4] ? 5
        : sent[5] ? 6 : 0;
endmodule
