// Stand-in for the accelerator with its ports and registers: copies words, each byte XOR 0x5A, from
// PROG_ADDR to WRITE_BASE until MEM_SIZE, in bursts of BURST beats. PROG_COUNT chooses what else:
//   1: copy, then done
//   2: copy, read back what was written after the responses; WAIT_LOAD counts words that differ
//   3: as 2, but read back without waiting for the responses
//   4: never done
//   5: error: OUTSIDE_WINDOW of engine STORE at 0x1230
//   6: the read address changes while it waits
// BUSY: cycles from the first read address to the last beat; WAIT_INSTRUCTION: the same for writes;
// READ_STALLS: cycles from the first read address taken to the first beat; WRITE_STALLS: from the
// last write beat taken to the last response. One profile record.

module resarray #(
    parameter ROWS = `STUB_ROWS,
    parameter [63:0] HASH = `STUB_HASH,
    parameter BURST = 8,
    parameter STALL = `STUB_STALL              // the stub's own pauses, of 256
) (
    input clk, input rst, output irq,
    output reg m_axi__awvalid, input m_axi__awready, output reg [31:0] m_axi__awaddr,
    output [7:0] m_axi__awlen, output [2:0] m_axi__awsize, output [1:0] m_axi__awburst,
    output reg m_axi__wvalid, input m_axi__wready, output [8*ROWS-1:0] m_axi__wdata,
    output [ROWS-1:0] m_axi__wstrb, output m_axi__wlast,
    input m_axi__bvalid, output m_axi__bready, input [1:0] m_axi__bresp,
    output reg m_axi__arvalid, input m_axi__arready, output reg [31:0] m_axi__araddr,
    output [7:0] m_axi__arlen, output [2:0] m_axi__arsize, output [1:0] m_axi__arburst,
    input m_axi__rvalid, output reg m_axi__rready, input [8*ROWS-1:0] m_axi__rdata,
    input [1:0] m_axi__rresp, input m_axi__rlast,
    input s_axil__awvalid, output s_axil__awready, input [13:0] s_axil__awaddr,
    input s_axil__wvalid, output s_axil__wready, input [31:0] s_axil__wdata,
    input [3:0] s_axil__wstrb,
    output reg s_axil__bvalid, input s_axil__bready, output [1:0] s_axil__bresp,
    input s_axil__arvalid, output s_axil__arready, input [13:0] s_axil__araddr,
    output reg s_axil__rvalid, input s_axil__rready, output reg [31:0] s_axil__rdata,
    output [1:0] s_axil__rresp
);
    localparam IDLE = 0, READ = 1, WRITE = 2, CHECK = 3, STUCK = 4, DONE = 5;

    reg [31:0] mem_base, mem_size, write_base, prog_addr, prog_count, irq_enable;
    reg [31:0] cycles, read_cycles, write_cycles, differences, read_latency, write_latency;
    reg [31:0] read_beats, write_beats;
    reg [2:0] state;
    reg done, error, first_taken, write_taken;
    reg [31:0] asked, got, sent_a, sent_w, answered;
    reg [8*ROWS-1:0] buffer [0:8191];
    reg [31:0] random;
    wire [31:0] words = (mem_size - write_base) / ROWS;
    wire pause = random[7:0] < STALL;

    assign irq = irq_enable[0] && (done || error);
    assign m_axi__arlen = BURST - 1, m_axi__awlen = BURST - 1;
    assign m_axi__arsize = $clog2(ROWS), m_axi__awsize = $clog2(ROWS);
    assign m_axi__arburst = 1, m_axi__awburst = 1;
    assign m_axi__wstrb = {ROWS{1'b1}};
    assign m_axi__wdata = buffer[sent_w] ^ {ROWS{8'h5A}};
    assign m_axi__wlast = sent_w % BURST == BURST - 1;
    assign m_axi__bready = !pause;

    // Registers: one access at a time, address and data together
    wire write = s_axil__awvalid && s_axil__wvalid && !s_axil__bvalid;
    assign s_axil__awready = write, s_axil__wready = write, s_axil__bresp = 0;
    assign s_axil__arready = s_axil__arvalid && !s_axil__rvalid, s_axil__rresp = 0;
    wire start = write && s_axil__awaddr == 14'h010 && s_axil__wdata[0];

    always @(posedge clk) begin
        s_axil__bvalid <= write || (s_axil__bvalid && !s_axil__bready);
        s_axil__rvalid <= s_axil__arready || (s_axil__rvalid && !s_axil__rready);
        if (write) case (s_axil__awaddr)
            14'h018: irq_enable <= s_axil__wdata;
            14'h030: mem_base <= s_axil__wdata;
            14'h034: mem_size <= s_axil__wdata;
            14'h038: write_base <= s_axil__wdata;
            14'h03C: prog_addr <= s_axil__wdata;
            14'h040: prog_count <= s_axil__wdata;
            default: ;
        endcase
        if (s_axil__arready) case (s_axil__araddr)
            14'h000: s_axil__rdata <= 32'h52415253;
            14'h004: s_axil__rdata <= 4;
            14'h008: s_axil__rdata <= HASH[31:0];
            14'h00C: s_axil__rdata <= HASH[63:32];
            14'h014: s_axil__rdata <= {29'b0, error, done, state != IDLE && state != DONE};
            14'h020: s_axil__rdata <= error ? 2 : 0;
            14'h024: s_axil__rdata <= error ? 5 : 0;
            14'h028: s_axil__rdata <= error ? 32'h1230 : 0;
            14'h040: s_axil__rdata <= prog_count;
            14'h044: s_axil__rdata <= 1;
            14'h090: s_axil__rdata <= done ? prog_count : 0;
            14'h05C: s_axil__rdata <= 7;         // DONE_COMPUTE
            14'h070: s_axil__rdata <= 32'h303;   // STATE_LOAD: waits, 3 queued
            14'h100, 14'h2000: s_axil__rdata <= cycles;
            14'h104: s_axil__rdata <= read_cycles;
            14'h108: s_axil__rdata <= write_cycles;
            14'h10C: s_axil__rdata <= differences;
            14'h118: s_axil__rdata <= read_beats;
            14'h11C: s_axil__rdata <= write_beats;
            14'h120: s_axil__rdata <= read_latency;
            14'h124: s_axil__rdata <= write_latency;
            default: s_axil__rdata <= 0;
        endcase

        random <= {random[30:0], random[31] ^ random[21] ^ random[1] ^ random[0]};
        m_axi__rready <= !pause;
        if (state != IDLE && state != DONE) cycles <= cycles + 1;
        if (state == READ) begin
            read_cycles <= read_cycles + 1;
            if (first_taken && got == 0) read_latency <= read_latency + 1;
            if (m_axi__arvalid && m_axi__arready) first_taken <= 1;
        end
        if (state == WRITE) begin
            write_cycles <= write_cycles + 1;
            if (sent_w == words) write_latency <= write_latency + 1;
        end

        // Read addresses
        if (state == READ || state == CHECK) begin
            if (m_axi__arvalid && m_axi__arready || !m_axi__arvalid) begin
                m_axi__arvalid <= asked < words && !pause;
                if (asked < words && !pause) begin
                    m_axi__araddr <= mem_base + (state == READ ? prog_addr : write_base)
                        + asked * ROWS;
                    asked <= asked + BURST;
                end
            end else if (prog_count == 6) m_axi__araddr <= m_axi__araddr ^ 64;
        end
        // Read data
        if (m_axi__rvalid && m_axi__rready) begin
            read_beats <= read_beats + 1;
            if (m_axi__rresp != 0) error <= 1;
            if (state == READ) buffer[got] <= m_axi__rdata;
            else if (m_axi__rdata != (buffer[got] ^ {ROWS{8'h5A}})) differences <= differences + 1;
            got <= got + 1;
            if (got == words - 1) begin
                {asked, got} <= 0;
                state <= state == READ ? WRITE : DONE;
                if (state == CHECK) done <= 1;
            end
        end
        // Writes
        if (state == WRITE) begin
            if (m_axi__awvalid && m_axi__awready || !m_axi__awvalid) begin
                m_axi__awvalid <= sent_a < words && !pause;
                if (sent_a < words && !pause) begin
                    m_axi__awaddr <= mem_base + write_base + sent_a * ROWS;
                    sent_a <= sent_a + BURST;
                end
            end
            if (m_axi__wvalid && m_axi__wready || !m_axi__wvalid)
                m_axi__wvalid <= sent_w + (m_axi__wvalid ? 1 : 0) < words && !pause;
            if (m_axi__wvalid && m_axi__wready) begin
                sent_w <= sent_w + 1;
                write_beats <= write_beats + 1;
            end
            if (prog_count == 3 ? sent_w == words : answered == words) begin
                state <= prog_count == 2 || prog_count == 3 ? CHECK
                    : prog_count == 4 ? STUCK : DONE;
                if (prog_count == 1 || prog_count == 6) done <= 1;
                if (prog_count == 5) error <= 1;
            end
        end
        if (m_axi__bvalid && m_axi__bready) begin
            answered <= answered + BURST;
            if (m_axi__bresp != 0) error <= 1;
        end

        if (rst) begin
            state <= IDLE;
            {m_axi__arvalid, m_axi__awvalid, m_axi__wvalid, s_axil__bvalid, s_axil__rvalid} <= 0;
            {done, error} <= 0;
            random <= 32'hBADC0DE5;
            irq_enable <= 0;
        end
        if (start) begin
            state <= READ;
            {asked, got, sent_a, sent_w, answered, first_taken} <= 0;
            {cycles, read_cycles, write_cycles, differences, read_latency, write_latency} <= 0;
            {read_beats, write_beats} <= 0;
        end
    end
endmodule
