// An SDR SDRAM chip of 16 bits, as far as the accelerator's memory controller uses it, with checks.
// Times are an MT48LC16M16A2-75's. Not checked: the 100 us after power-on, for which the host waits
// by its own clock.
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
    parameter T_RFC = 66000,             // ps from REFRESH to anything
    parameter T_RC = 66000,              // ps from ACTIVE to ACTIVE of a bank
    parameter T_RRD = 15000,             // ps from ACTIVE to ACTIVE of another
    parameter T_RAS = 44000,             // ps from ACTIVE to PRECHARGE
    parameter T_WR = 15000,              // ps from a written word to PRECHARGE
    parameter T_MRD = 30000,             // ps from the mode to anything (2 cycles)
    // 8192 refreshes in 64 ms are one in 7.8125 us. One may be late, eight in a row may not.
    parameter T_REFRESH = 7812500
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
    output reg [11:0] violations = 0
);
    localparam WORDS = 1 << (2 + ROW_BITS + COLUMN_BITS);
    reg [15:0] mem [0:WORDS-1];

    reg [ROW_BITS-1:0] row [0:3];
    reg [3:0] open = 0;
    realtime activated [0:3];
    realtime precharged [0:3];
    realtime written [0:3];
    realtime last_activated = 0;         // of any bank
    realtime mode_set = 0;
    realtime refreshed = 0;
    reg [8*64-1:0] refreshes = 0;        // times of the last eight, the newest lowest
    reg ready = 0;                       // the mode register is loaded
    reg in_use = 0;                      // a row was opened: refreshes must keep coming
    reg stale = 0, sparse = 0;           // they did not: what is read now may be lost
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
        written[i] = 0;
        row[i] = 0;
    end
    // Junk, not zeros: what was never written must not matter.
    initial for (i = 0; i < WORDS; i = i + 1) mem[i] = 16'hA55A ^ i[15:0];

    always @(posedge clk) if (cke) begin
        driving <= #(ACCESS) read_valid[0];
        driven <= #(ACCESS) read_data[0];
        read_valid = {1'b0, read_valid[3:1]};
        for (i = 0; i < 3; i = i + 1) read_data[i] = read_data[i + 1];

        if (in_use && $realtime - refreshed > 9 * T_REFRESH) stale <= 1;
        if (!cs_n && command != 3'b111) begin
            if ($realtime - refreshed < T_RFC && refreshed != 0) violations[1] <= 1;
            if ($realtime - mode_set < T_MRD && mode_set != 0) violations[11] <= 1;
            case (command)
                3'b000: begin  // load mode register
                    if (open != 0) violations[2] <= 1;
                    ready <= 1;
                    mode_set = $realtime;
                    // A new start: what was in the chip does not matter any more.
                    {in_use, stale, sparse} <= 0;
                    refreshes = 0;
                    latency <= a[6:4];
                    burst_bits <= a[2:0];
                    if (a[6:4] < 2 || a[6:4] > 3 || a[2:0] != 0) violations[3] <= 1;
                end
                3'b001: begin  // refresh
                    if (open != 0) violations[2] <= 1;
                    refreshed = $realtime;
                    // Those before the first row was opened were the start sequence's.
                    if (refreshes[511:448] != 0 && $time - refreshes[511:448] > 9 * T_REFRESH)
                        sparse <= 1;
                    if (in_use) refreshes = {refreshes[447:0], $time};
                end
                3'b010: begin  // precharge
                    for (i = 0; i < 4; i = i + 1) if (a[10] || ba == i) begin
                        if (open[i] && ($realtime - activated[i] < T_RAS
                                || (written[i] != 0 && $realtime - written[i] < T_WR)))
                            violations[8] <= 1;
                        open[i] = 0;
                        precharged[i] = $realtime;
                    end
                end
                3'b011: begin  // activate
                    if (!ready || open[ba]) violations[4] <= 1;
                    if (stale) violations[0] <= 1;
                    if (sparse) violations[10] <= 1;
                    if ($realtime - precharged[ba] < T_RP) violations[5] <= 1;
                    if ((activated[ba] != 0 && $realtime - activated[ba] < T_RC)
                            || (last_activated != 0 && $realtime - last_activated < T_RRD))
                        violations[9] <= 1;
                    last_activated = $realtime;
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
                        written[ba] = $realtime;
                    end else begin
                        // The data leaves at edge CL - 1 from here.
                        read_valid[latency - 2] = 1;
                        read_data[latency - 2] = mem[address];
                    end
                    if (a[10]) begin
                        // The chip itself waits until it may.
                        open[ba] = 0;
                        precharged[ba] = $realtime + (we_n ? 0 : T_WR);
                        if (precharged[ba] < activated[ba] + T_RAS)
                            precharged[ba] = activated[ba] + T_RAS;
                    end
                end
                default: ;
            endcase
        end
    end
endmodule
