// AXI4 memory for simulation: latency, bandwidth and random stalls are set while it runs, contents
// come from and go to hexadecimal files. Verilog-2005, for Verilator and Icarus.
//
// Reads:  several addresses may wait; the first beat of a burst is offered `latency` cycles after
//         its address was taken, further beats follow back to back. Data is fetched from the array
//         as early as possible, right after the address was taken.
// Writes: data becomes visible to reads as late as possible: `latency` cycles after it was taken,
//         just before its response. A master that reads without waiting for the response gets the
//         old data, so a missing dependency shows.
// Rate:   0 = one read beat and one write beat each cycle; otherwise reads and writes share one
//         port that moves `rate`/16 bytes a cycle (a bucket of at most four words), at most one
//         word a cycle.
// Stalls: each of the five channels (AR, AW, W, R, B from the lowest byte of `stall` on) pauses with
//         its own probability of so many 256ths, anew every 2^`hold` cycles.
// Early:  write data is taken before its address, as far as it comes.
// Late:   READY of AR, AW and W comes only after VALID, which AXI4 lets a slave wait for.
// Jitter: each burst has a latency of its own, from 1 to `latency`.
// Access outside [BASE, BASE + DEPTH words) gives SLVERR.
// Faults: once `fault_at` transfers of channel `fault` (1 AR, 2 AW, 3 W, 4 R, 5 B; 0: none) have been
//         since `arm`, the channel stands still for `fault_cycles` cycles (0: for ever) or, with a
//         `fault_response`, the next one on R or B has that response and junk for data.
// Flips:  `flip` turns around bit `flip_bit` of the memory, counted from the first word's lowest.

module axi_memory #(
    parameter ROWS = 8,                   // bytes per word
    parameter DEPTH_BITS = 20,            // log2 of the depth in words
    parameter [31:0] BASE = 32'h4000_0000
) (
    input clk,
    input rst,

    input [15:0] latency,                 // cycles, at least 1
    input [15:0] rate,                    // bytes per 16 cycles
    input [39:0] stall,
    input [3:0] hold,
    input early,
    input late,
    input jitter,
    input [31:0] seed,                    // not 0

    input load,                           // one-cycle strobe: read job<N>.mem into words 0...
    input dump,                           // one-cycle strobe: write job<N>.dump
    input [31:0] job,
    input [31:0] load_words,
    input [31:0] dump_first,
    input [31:0] dump_last,

    input arm,                            // one-cycle strobe
    input [2:0] fault,
    input [31:0] fault_at,
    input [15:0] fault_cycles,
    input [1:0] fault_response,
    input flip,                           // one-cycle strobe
    input [31:0] flip_bit,

    input awvalid, output reg awready, input [31:0] awaddr, input [7:0] awlen,
    input wvalid, output reg wready, input [8*ROWS-1:0] wdata, input [ROWS-1:0] wstrb, input wlast,
    output reg bvalid, input bready, output reg [1:0] bresp,
    input arvalid, output reg arready, input [31:0] araddr, input [7:0] arlen,
    output reg rvalid, input rready, output reg [8*ROWS-1:0] rdata, output reg [1:0] rresp,
    output reg rlast
);
    localparam WORD = 8 * ROWS;
    localparam LOG_ROWS = ROWS == 4 ? 2 : ROWS == 8 ? 3 : 4;
    localparam DEPTH = 1 << DEPTH_BITS;
    localparam ADDRESSES = 64;            // read and write addresses that wait
    localparam BEATS = 1024;              // beats on their way, each direction
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10;
    localparam [15:0] COST = 16 * ROWS, FULL = 4 * COST;

    reg [WORD-1:0] mem [0:DEPTH-1];

    // Read addresses, then fetched beats; heads and tails count without wrapping.
    reg [31:0] ar_offset [0:ADDRESSES-1];
    reg [7:0] ar_beats [0:ADDRESSES-1];
    reg [31:0] ar_due [0:ADDRESSES-1];
    reg [31:0] ar_head, ar_tail;
    reg [7:0] ar_beat;
    reg [WORD-1:0] r_word [0:BEATS-1];
    reg [31:0] r_due [0:BEATS-1];
    reg r_last [0:BEATS-1], r_bad [0:BEATS-1];
    reg [31:0] r_head, r_tail;

    // Write addresses, then taken beats, then responses.
    reg [31:0] aw_offset [0:ADDRESSES-1];
    reg [7:0] aw_beats [0:ADDRESSES-1];
    reg [31:0] aw_head, aw_tail;
    reg [7:0] aw_beat;
    reg [31:0] w_due [0:BEATS-1], w_offset [0:BEATS-1];
    reg [WORD-1:0] w_word [0:BEATS-1];
    reg [ROWS-1:0] w_strobe [0:BEATS-1];
    reg w_last [0:BEATS-1];
    reg [31:0] w_head, w_placed, w_tail;  // taken, with an address, visible
    reg b_bad [0:ADDRESSES-1];
    reg w_bad;
    reg [31:0] b_head, b_tail;

    reg [31:0] now;
    reg [63:0] random;
    reg [15:0] credit;
    reg writes_turn, granted, write_wants, read_wants;
    reg [4:0] pause;
    reg [4:0] moved, still;               // AR, AW, W, R, B
    reg [31:0] fault_count;               // transfers of the faulty channel
    reg [15:0] fault_waited;
    reg [15:0] read_latency, write_latency;  // of the next burst
    reg [31:0] offset;
    reg [WORD-1:0] mask;
    reg [8*32-1:0] file_name;
    integer i;

    function outside(input [31:0] byte_offset);
        outside = (byte_offset >> LOG_ROWS) >= DEPTH;
    endfunction

    function [15:0] drawn(input [15:0] longest, input [15:0] chance);
        drawn = longest == 0 ? 0 : chance % longest + 1;
    endfunction

    // Junk, not zeros: what was never written must not matter.
    initial for (i = 0; i < DEPTH; i = i + 1) mem[i] = {ROWS{8'hA5}} ^ {WORD{1'b0}} + i;

    always @(posedge clk) begin
        if (load) begin
            $sformat(file_name, "job%0d.mem", job);
            $readmemh(file_name, mem, 0, load_words - 1);
        end
        if (dump) begin
            $sformat(file_name, "job%0d.dump", job);
            $writememh(file_name, mem, dump_first, dump_last);
        end
        if (flip) mem[flip_bit / WORD][flip_bit % WORD] = !mem[flip_bit / WORD][flip_bit % WORD];

        if (rst) begin
            {awready, wready, bvalid, arready, rvalid} <= 0;
            {bresp, rresp, rlast} <= 0;
            rdata <= 0;
            {ar_head, ar_tail, ar_beat, r_head, r_tail} = 0;
            {aw_head, aw_tail, aw_beat, w_head, w_placed, w_tail, b_head, b_tail, w_bad} = 0;
            {now, credit, writes_turn, pause} = 0;
            {still, fault_count, fault_waited} = 0;
            random = {~seed, seed};
            read_latency = jitter ? drawn(latency, seed[15:0]) : latency;
            write_latency = jitter ? drawn(latency, seed[31:16]) : latency;
        end else begin
            now = now + 1;
            if (stall != 0 || jitter) begin  // xorshift
                random = random ^ random << 13;
                random = random ^ random >> 7;
                random = random ^ random << 17;
                for (i = 0; i < 5; i = i + 1)
                    if ((now & (1 << hold) - 1) == 0) pause[i] = random[8*i +: 8] < stall[8*i +: 8];
            end
            if (stall == 0) pause = 0;
            if (jitter) begin
                if (arvalid && arready) read_latency = drawn(latency, random[47:32]);
                if (wvalid && wready && wlast) write_latency = drawn(latency, random[63:48]);
            end
            still = pause;
            if (arm) {fault_count, fault_waited} = 0;
            else if (fault != 0 && fault_response == OKAY) begin
                moved = {
                    bvalid && bready, rvalid && rready, wvalid && wready, awvalid && awready,
                    arvalid && arready
                };
                if (moved[fault - 1]) fault_count = fault_count + 1;
                if (fault_count >= fault_at && (fault_cycles == 0 || fault_waited < fault_cycles))
                begin
                    fault_waited = fault_waited + 1;
                    still[fault - 1] = 1;
                end
            end
            if (rate != 0) credit = credit + rate > FULL ? FULL : credit + rate;

            // Read address
            if (arvalid && arready) begin
                ar_offset[ar_head % ADDRESSES] = araddr - BASE;
                ar_beats[ar_head % ADDRESSES] = arlen;
                ar_due[ar_head % ADDRESSES] = now + read_latency - 1;
                ar_head = ar_head + 1;
            end
            arready <= ar_head - ar_tail < ADDRESSES && !still[0] && (!late || arvalid && !arready);

            // Write address
            if (awvalid && awready) begin
                aw_offset[aw_head % ADDRESSES] = awaddr - BASE;
                aw_beats[aw_head % ADDRESSES] = awlen;
                aw_head = aw_head + 1;
            end
            awready <= aw_head - aw_tail < ADDRESSES && aw_head - b_tail < ADDRESSES && !still[1]
                && (!late || awvalid && !awready);

            // Write data; its place once its address is there
            if (wvalid && wready) begin
                w_word[w_head % BEATS] = wdata;
                w_strobe[w_head % BEATS] = wstrb;
                w_last[w_head % BEATS] = wlast;
                w_due[w_head % BEATS] = now + write_latency - 1;
                w_head = w_head + 1;
            end
            if (w_placed != w_head && aw_head != aw_tail) begin
                w_offset[w_placed % BEATS] = aw_offset[aw_tail % ADDRESSES] + aw_beat * ROWS;
                w_last[w_placed % BEATS] = aw_beat == aw_beats[aw_tail % ADDRESSES];
                if (w_last[w_placed % BEATS]) begin
                    aw_tail = aw_tail + 1;
                    aw_beat = 0;
                end else aw_beat = aw_beat + 1;
                w_placed = w_placed + 1;
            end

            // Fetch a word of the oldest read
            if (ar_head != ar_tail && r_head - r_tail < BEATS) begin
                offset = ar_offset[ar_tail % ADDRESSES] + ar_beat * ROWS;
                r_bad[r_head % BEATS] = outside(offset);
                r_word[r_head % BEATS] = mem[offset >> LOG_ROWS & DEPTH - 1];
                r_due[r_head % BEATS] = ar_due[ar_tail % ADDRESSES];
                r_last[r_head % BEATS] = ar_beat == ar_beats[ar_tail % ADDRESSES];
                if (r_last[r_head % BEATS]) begin
                    ar_tail = ar_tail + 1;
                    ar_beat = 0;
                end else ar_beat = ar_beat + 1;
                r_head = r_head + 1;
            end

            // Make the oldest written word visible, after the fetch
            if (w_placed != w_tail && now >= w_due[w_tail % BEATS]) begin
                offset = w_offset[w_tail % BEATS];
                for (i = 0; i < ROWS; i = i + 1)
                    mask[8*i +: 8] = {8{w_strobe[w_tail % BEATS][i]}};
                if (outside(offset)) w_bad = 1;
                else
                    mem[offset >> LOG_ROWS] =
                        mem[offset >> LOG_ROWS] & ~mask | w_word[w_tail % BEATS] & mask;
                if (w_last[w_tail % BEATS]) begin
                    b_bad[b_head % ADDRESSES] = w_bad;
                    b_head = b_head + 1;
                    w_bad = 0;
                end
                w_tail = w_tail + 1;
            end

            // The shared port: one grant a cycle, in turns. An unused write grant stays.
            read_wants = r_head != r_tail && now >= r_due[r_tail % BEATS] && !still[3]
                && (!rvalid || rready);
            write_wants = (early || aw_head != aw_tail) && w_head - w_tail < BEATS - 1 && !still[2]
                && (!late || wvalid && !wready);
            if (rate != 0) begin
                granted = credit >= COST;
                if (wready && !wvalid) write_wants = 1;
                else if (write_wants && granted && (writes_turn || !read_wants)) begin
                    credit = credit - COST;
                    granted = 0;
                    writes_turn = 0;
                end else write_wants = 0;
                if (read_wants && granted) begin
                    credit = credit - COST;
                    writes_turn = 1;
                end else read_wants = 0;
            end
            wready <= write_wants;

            // Read data
            if (read_wants) begin
                rvalid <= 1;
                rdata <= r_word[r_tail % BEATS];
                rlast <= r_last[r_tail % BEATS];
                rresp <= r_bad[r_tail % BEATS] ? SLVERR : OKAY;
                if (fault == 4 && fault_response != OKAY) begin
                    if (fault_count == fault_at) begin
                        rresp <= fault_response;
                        rdata <= ~r_word[r_tail % BEATS];
                    end
                    fault_count = fault_count + 1;
                end
                r_tail = r_tail + 1;
            end else if (rready) rvalid <= 0;

            // Write response
            if (b_head != b_tail && !still[4] && (!bvalid || bready)) begin
                bvalid <= 1;
                bresp <= b_bad[b_tail % ADDRESSES] ? SLVERR : OKAY;
                if (fault == 5 && fault_response != OKAY) begin
                    if (fault_count == fault_at) bresp <= fault_response;
                    fault_count = fault_count + 1;
                end
                b_tail = b_tail + 1;
            end else if (bready) bvalid <= 0;
        end
    end
endmodule
