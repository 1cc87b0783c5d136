// An SDR SDRAM chip of 16 bits, as far as the accelerator's memory controller uses it, with checks.
//
// Answers come CL edges after the command, valid from ACCESS after the edge before. Every `violations`
// bit stands for a rule that the controller broke (see run.py).

`timescale 1ps/1ps

module sdram #(
    parameter ROW_BITS = 13,
    parameter COLUMN_BITS = 9,
    parameter ACCESS = 6000,             // ps from edge to data
    parameter T_RCD = 20000,             // ps from ACTIVE to READ or WRITE
    parameter T_RP = 20000,              // ps from PRECHARGE to ACTIVE
    parameter T_RC = 66000,              // ps from REFRESH to anything
    parameter T_REFRESH = 70312500       // ps between refreshes at most: 9 intervals of 7.8125 us
) (
    input clk,
    input cke,
    input cs_n,
    input ras_n,
    input cas_n,
    input we_n,
    input [1:0] ba,
    input [12:0] a,
    input [1:0] dm,
    inout [15:0] dq,
    output reg [7:0] violations = 0
);
    localparam WORDS = 1 << (2 + ROW_BITS + COLUMN_BITS);
    reg [15:0] mem [0:WORDS-1];

    reg [ROW_BITS-1:0] row [0:3];
    reg [3:0] open = 0;
    realtime activated [0:3];
    realtime precharged [0:3];
    realtime refreshed = 0;
    reg ready = 0;                       // the mode register is loaded
    reg in_use = 0;                      // a row was opened: refreshes must keep coming
    reg [2:0] latency = 2;
    reg [2:0] burst_bits = 0;

    // A read under way: what leaves at the next edges.
    reg [3:0] read_valid = 0;
    reg [15:0] read_data [0:3];
    reg driving = 0;
    reg [15:0] driven;
    assign dq = driving ? driven : 16'hzzzz;

    wire [ROW_BITS+COLUMN_BITS+1:0] address = {ba, row[ba], a[COLUMN_BITS-1:0]};
    wire [2:0] command = {ras_n, cas_n, we_n};
    integer i;

    initial for (i = 0; i < 4; i = i + 1) begin
        activated[i] = 0;
        precharged[i] = 0;
        row[i] = 0;
    end
    // Junk, not zeros: what was never written must not matter.
    initial for (i = 0; i < WORDS; i = i + 1) mem[i] = 16'hA55A ^ i[15:0];

    always @(posedge clk) if (cke) begin
        driving <= #(ACCESS) read_valid[0];
        driven <= #(ACCESS) read_data[0];
        read_valid = {1'b0, read_valid[3:1]};
        for (i = 0; i < 3; i = i + 1) read_data[i] = read_data[i + 1];

        if (in_use && $realtime - refreshed > T_REFRESH) violations[0] <= 1;
        if (!cs_n && command != 3'b111) begin
            if ($realtime - refreshed < T_RC && refreshed != 0) violations[1] <= 1;
            case (command)
                3'b000: begin  // load mode register
                    if (open != 0) violations[2] <= 1;
                    ready <= 1;
                    latency <= a[6:4];
                    burst_bits <= a[2:0];
                    if (a[6:4] < 2 || a[6:4] > 3 || a[2:0] != 0) violations[3] <= 1;
                end
                3'b001: begin  // refresh
                    if (open != 0) violations[2] <= 1;
                    refreshed = $realtime;
                end
                3'b010: begin  // precharge
                    for (i = 0; i < 4; i = i + 1) if (a[10] || ba == i) begin
                        open[i] = 0;
                        precharged[i] = $realtime;
                    end
                end
                3'b011: begin  // activate
                    if (!ready || open[ba]) violations[4] <= 1;
                    if ($realtime - precharged[ba] < T_RP) violations[5] <= 1;
                    open[ba] = 1;
                    in_use <= 1;
                    row[ba] <= a[ROW_BITS-1:0];
                    activated[ba] = $realtime;
                end
                3'b100, 3'b101: begin  // write, read
                    if (!open[ba]) violations[6] <= 1;
                    if ($realtime - activated[ba] < T_RCD) violations[7] <= 1;
                    if (!we_n) begin
                        if (!dm[0]) mem[address][7:0] <= dq[7:0];
                        if (!dm[1]) mem[address][15:8] <= dq[15:8];
                    end else begin
                        // The data leaves at edge CL - 1 from here.
                        read_valid[latency - 2] = 1;
                        read_data[latency - 2] = mem[address];
                    end
                    if (a[10]) begin
                        open[ba] = 0;
                        precharged[ba] = $realtime;
                    end
                end
                default: ;
            endcase
        end
    end
endmodule
