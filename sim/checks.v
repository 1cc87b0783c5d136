// Protocol checkers, bound in every simulation: what breaks a rule sets its bit for good. The bits are
// named in checks.py. What only one block reads is assigned at once: a later assignment costs Verilator
// a copy. `clear` is a one-cycle strobe; a reset must not hide what was broken.

// A stream: once valid, it stays so with the same payload until it is taken.
module stream_check #(parameter WIDTH = 1) (
    input clk,
    input rst,                            // of the sender: what it offered is gone
    input clear,
    input valid,
    input ready,
    input [WIDTH-1:0] payload,
    output reg broken
);
    reg held;
    reg [WIDTH-1:0] shown;

    always @(posedge clk) begin
        if (held) begin
            if (!valid || payload !== shown) broken = 1;
        end else if (valid && !ready) shown = payload;
        held = valid && !ready && !rst;
        if (clear) broken = 0;
    end
endmodule

// What the accelerator asks of its memory: bursts as AXI4 has them, which stay until they are taken.
module master_checks #(parameter ROWS = 8) (
    input clk,
    input rst,
    input clear,

    input awvalid, input awready, input [31:0] awaddr, input [7:0] awlen,
    input [2:0] awsize, input [1:0] awburst,
    input wvalid, input wready, input [8*ROWS-1:0] wdata, input [ROWS-1:0] wstrb, input wlast,
    input arvalid, input arready, input [31:0] araddr, input [7:0] arlen,
    input [2:0] arsize, input [1:0] arburst,

    output reg [7:0] violations
);
    localparam LOG_ROWS = ROWS == 4 ? 2 : ROWS == 8 ? 3 : 4;

    reg ar_held, aw_held, w_held;
    reg [44:0] ar_shown, aw_shown;
    reg [9*ROWS:0] w_shown;
    // Write bursts by address and by data in order; either may come first, 64 at most. Heads count
    // without wrapping at 64.
    reg [7:0] aw_len [0:63], w_len [0:63];
    reg [6:0] aw_head, w_head;
    reg [7:0] beat;

    function crosses_4k(input [31:0] address, input [7:0] length);
        crosses_4k = {20'b0, address[11:0]} + ((length + 32'd1) << LOG_ROWS) > 32'd4096;
    endfunction

    function malformed(input [31:0] address, input [2:0] size, input [1:0] burst);
        malformed = size != LOG_ROWS || burst != 2'b01 || (address & (ROWS - 1)) != 0;
    endfunction

    always @(posedge clk) begin
        if (clear) violations <= 0;
        if (rst) {ar_held, aw_held, w_held, aw_head, w_head, beat} = 0;
        else begin
            if (ar_held && (!arvalid || ar_shown != {araddr, arlen, arsize, arburst}))
                violations[5] <= 1;
            if (aw_held && (!awvalid || aw_shown != {awaddr, awlen, awsize, awburst}))
                violations[6] <= 1;
            if (w_held && (!wvalid || w_shown != {wdata, wstrb, wlast})) violations[7] <= 1;
            ar_held = arvalid && !arready;
            aw_held = awvalid && !awready;
            w_held = wvalid && !wready;
            if (ar_held) ar_shown = {araddr, arlen, arsize, arburst};
            if (aw_held) aw_shown = {awaddr, awlen, awsize, awburst};
            if (w_held) w_shown = {wdata, wstrb, wlast};

            if (arvalid && arready) begin
                if (crosses_4k(araddr, arlen)) violations[0] <= 1;
                if (malformed(araddr, arsize, arburst)) violations[2] <= 1;
            end
            if (awvalid && awready) begin
                if (crosses_4k(awaddr, awlen)) violations[1] <= 1;
                if (malformed(awaddr, awsize, awburst)) violations[3] <= 1;
                // Of data that came before: all of the burst, or more than it has.
                if (aw_head == w_head ? beat > awlen
                    : aw_head - w_head >= 7'd64 && w_len[aw_head[5:0]] != awlen) violations[4] <= 1;
                aw_len[aw_head[5:0]] = awlen;
                aw_head = aw_head + 1;
            end
            if (wvalid && wready) begin
                if (aw_head - w_head < 7'd64 && aw_head != w_head
                    && wlast != (beat == aw_len[w_head[5:0]])) violations[4] <= 1;
                if (wlast) w_len[w_head[5:0]] = beat;
                w_head = w_head + wlast;
                beat = wlast ? 0 : beat + 1;
            end
        end
    end
endmodule

// Both ports of the accelerator, seen from outside.
module port_checks #(parameter ROWS = 8) (
    input clk,
    input rst,
    input clear,
    input irq,

    input awvalid, input awready, input [31:0] awaddr, input [7:0] awlen,
    input wvalid, input wready, input [8*ROWS-1:0] wdata, input wlast,
    input bvalid, input bready, input [1:0] bresp,
    input arvalid, input arready, input [31:0] araddr, input [7:0] arlen,
    input rvalid, input rready, input [8*ROWS-1:0] rdata, input [1:0] rresp, input rlast,

    input axil_awvalid, input axil_awready, input [13:0] axil_addr,
    input axil_wvalid, input axil_wready, input [31:0] axil_wdata,
    input axil_bvalid, input axil_bready,
    input axil_arvalid, input axil_arready,
    input axil_rvalid, input axil_rready, input [31:0] axil_rdata,

    output reg [7:0] reads, output reg [7:0] writes,  // bursts without their whole answer
    output reg [31:0] bad_burst,          // bus address of the first burst with an error response
    output reg [11:0] violations
);
    localparam SETTLED = 7;               // cycles in which a write to CTRL or IRQ_ENABLE may act
    localparam LOG_ROWS = ROWS == 4 ? 2 : ROWS == 8 ? 3 : 4;

    // The windows, as the host has set them; they stay while a program runs.
    reg [31:0] mem_base, mem_size, write_base;
    reg running, enabled;
    reg [2:0] acting;
    reg [1:0] written;                    // an AXI-Lite write's address and data are taken
    reg asked;

    // Bursts by address in order, 64 at most; heads and tails do not wrap at 64.
    reg [31:0] r_addr [0:63], w_addr [0:63];
    reg [7:0] r_len [0:63];
    reg [6:0] r_head, r_tail, w_head, w_tail, w_ended;
    reg [7:0] beat;
    reg bad, irq_before, r_held, b_held, axil_r_held, axil_b_held, known;
    reg [8*ROWS+2:0] r_shown;
    reg [1:0] b_shown;
    reg [31:0] axil_r_shown;

    function outside(input [31:0] addr, input [7:0] len, input [31:0] low, input [31:0] high);
        outside = addr < low
            || {1'b0, addr} + ((len + 33'd1) << LOG_ROWS) > {1'b0, mem_base} + high;
    endfunction

    initial known = 0;

    always @(posedge clk) begin
        if (clear) {violations, bad, bad_burst} <= 0;
        if (rst) begin
            {r_head, r_tail, w_head, w_tail, w_ended, beat, reads, writes} = 0;
            {mem_base, mem_size, write_base, running, enabled, acting, written, asked} = 0;
            {irq_before, r_held, b_held, axil_r_held, axil_b_held} = 0;
            known = 1;
        end else begin
            // Answers belong to bursts, the oldest first.
            if (rvalid && (r_head == r_tail || rlast != (beat == r_len[r_tail[5:0]])))
                violations[0] <= 1;
            if (bvalid && (w_head == w_tail || w_ended == w_tail)) violations[1] <= 1;
            if (r_held && (!rvalid || r_shown != {rdata, rresp, rlast})
                || b_held && (!bvalid || b_shown != bresp)) violations[2] <= 1;
            r_held = rvalid && !rready;
            b_held = bvalid && !bready;
            if (r_held) r_shown = {rdata, rresp, rlast};
            if (b_held) b_shown = bresp;
            if (rvalid && rready) begin
                if (rresp != 0 && !bad) {bad, bad_burst} <= {1'b1, r_addr[r_tail[5:0]]};
                beat = rlast ? 0 : beat + 1;
                if (rlast) r_tail = r_tail + 1;
            end
            if (bvalid && bready) begin
                if (bresp != 0 && !bad) {bad, bad_burst} <= {1'b1, w_addr[w_tail[5:0]]};
                w_tail = w_tail + 1;
            end

            // Bursts, inside the windows.
            if (arvalid && arready) begin
                r_addr[r_head[5:0]] = araddr;
                r_len[r_head[5:0]] = arlen;
                r_head = r_head + 1;
                if (outside(araddr, arlen, mem_base, mem_size)) violations[3] <= 1;
            end
            if (awvalid && awready) begin
                w_addr[w_head[5:0]] = awaddr;
                w_head = w_head + 1;
                if (outside(awaddr, awlen, mem_base + write_base, mem_size)) violations[4] <= 1;
            end
            if (wvalid && wready && wlast) w_ended = w_ended + 1;
            reads = r_head - r_tail + arvalid - (arvalid && arready);
            writes = w_head - w_tail + awvalid - (awvalid && awready);
            if (irq && !irq_before && (reads != 0 || writes != 0 || wvalid)) violations[5] <= 1;
            if (irq && !irq_before) running = 0;
            // A level: done or error, while it is enabled.
            if (acting != 0) acting = acting - 1;
            else begin
                if (irq && !enabled) violations[10] <= 1;
                if (irq_before && !irq) violations[11] <= 1;
            end
            irq_before = irq;

            // AXI-Lite: an answer to each access, after it, which stays until it is taken.
            if (axil_bvalid && written != 2'b11 || axil_rvalid && !asked) violations[6] <= 1;
            if (axil_b_held && !axil_bvalid || axil_r_held && !axil_rvalid
                || axil_r_held && axil_r_shown != axil_rdata) violations[7] <= 1;
            axil_b_held = axil_bvalid && !axil_bready;
            axil_r_held = axil_rvalid && !axil_rready;
            if (axil_r_held) axil_r_shown = axil_rdata;
            if (axil_bvalid && axil_bready) written = 0;
            if (axil_rvalid && axil_rready) asked = 0;
            if (axil_awvalid && axil_awready) written[0] = 1;
            if (axil_wvalid && axil_wready) begin
                written[1] = 1;
                if (axil_addr[13:2] == 12'h004 || axil_addr[13:2] == 12'h006) acting = SETTLED;
                if (axil_addr[13:2] == 12'h006) enabled = axil_wdata[0];
                if (!running) case (axil_addr[13:2])
                    12'h004: running = axil_wdata[0];
                    12'h00C: mem_base = axil_wdata;
                    12'h00D: mem_size = axil_wdata;
                    12'h00E: write_base = axil_wdata;
                    default: ;
                endcase
            end
            if (axil_arvalid && axil_arready) asked = 1;

`ifndef VERILATOR
            // Undefined: only where there are more than two values.
            if (known && (^{
                awvalid, wvalid, bready, arvalid, rready, irq, axil_awready, axil_wready,
                axil_bvalid, axil_arready, axil_rvalid
            } === 1'bx)) violations[8] <= 1;
            if (arvalid === 1 && ^{araddr, arlen} === 1'bx
                || awvalid === 1 && ^{awaddr, awlen} === 1'bx
                || wvalid === 1 && ^{wdata, wlast} === 1'bx) violations[9] <= 1;
`endif
        end
    end
endmodule
