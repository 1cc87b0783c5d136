// Simulation models of the ECP5 blocks that hw/ecp5 instantiates, for what it uses of them, written
// from the behaviour that Lattice documents (TN1264, TN1267). Every register must be in use, and
// anything else stops the simulation.

module DP16KD #(
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "ENABLED",
    parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL"
) (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5,
    DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CLKA, CEA, OCEA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
    DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5,
    DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CLKB, CEB, OCEB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
    DOB4, DOB3, DOB2, DOB1, DOB0
);
    // Port A writes, port B reads, both with words of the same width. An address counts bits, or
    // ninths of bits where the parity bits take part.
    localparam W = DATA_WIDTH_A;
    localparam LOW = W == 36 ? 5 : W == 18 ? 4 : W == 9 ? 3 : W == 4 ? 2 : W == 2 ? 1 : 0;
    localparam DEPTH_BITS = 14 - LOW;
    wire [35:0] di = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7,
    DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11,
    DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2,
    ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2,
    ADB1, ADB0};
    wire [DEPTH_BITS-1:0] write_addr = ada[13:LOW], read_addr = adb[13:LOW];
    // Wide words are written by bytes.
    wire [3:0] bytes = W == 36 ? ada[3:0] : W == 18 ? {2'b00, ada[1:0]} : 4'b0001;

    reg [W-1:0] memory[0:(1<<DEPTH_BITS)-1];
    reg [W-1:0] latch, out;
    wire [W-1:0] stored = memory[read_addr];
    wire collision = WEA && CEA && (bytes != 0) && write_addr == read_addr;
    integer i;
    always @(posedge CLKA)
        if (CEA && WEA)
            for (i = 0; i < W; i = i + 1)
                if (bytes[i / 9]) memory[write_addr][i] <= di[i];
    always @(posedge CLKB) begin
        // A word that is read while it is written is undefined: here it is wrong in every bit.
        if (CEB) latch <= collision ? ~stored : stored;
        if (OCEB) out <= latch;
    end
    // The half word of port A appears there only in the widest mode.
    wire [35:0] q = {{(36-W){1'b0}}, out};
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
    DOA4, DOA3, DOA2, DOA1, DOA0} = W == 36 ? q[17:0] : 18'd0;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
    DOB4, DOB3, DOB2, DOB1, DOB0} = W == 36 ? q[35:18] : q[17:0];
    initial begin
        for (i = 0; i < (1 << DEPTH_BITS); i = i + 1) memory[i] = 0;
        latch = 0;
        out = 0;
        if (DATA_WIDTH_B != DATA_WIDTH_A || REGMODE_A != "OUTREG" || REGMODE_B != "OUTREG") begin
            $display("DP16KD: this model needs equal widths and output registers");
            $finish;
        end
    end
endmodule

module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE", REG_INPUTA_CE = "CE0", REG_INPUTA_RST = "RST0",
    parameter REG_INPUTB_CLK = "NONE", REG_INPUTB_CE = "CE0", REG_INPUTB_RST = "RST0",
    parameter REG_PIPELINE_CLK = "NONE", REG_PIPELINE_CE = "CE0", REG_PIPELINE_RST = "RST0",
    parameter REG_OUTPUT_CLK = "NONE", REG_OUTPUT_CE = "CE0", REG_OUTPUT_RST = "RST0",
    parameter SOURCEB_MODE = "B_SHIFT", MULT_BYPASS = "DISABLED", RESETMODE = "SYNC",
    parameter GSR = "ENABLED"
) (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
    P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
    reg signed [18:0] a, b;
    reg [35:0] pipeline, out;
    wire [17:0] pins_a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2,
    A1, A0};
    wire [17:0] pins_b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2,
    B1, B0};
    wire signed [37:0] product = a * b;
    always @(posedge CLK0)
        if (RST0) begin
            a <= 0;
            b <= 0;
            pipeline <= 0;
            out <= 0;
        end else if (CE0) begin
            // 19 bits hold both kinds of numbers.
            a <= {SIGNEDA & pins_a[17], pins_a};
            b <= {SIGNEDB & pins_b[17], pins_b};
            pipeline <= product[35:0];
            out <= pipeline;
        end
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
    P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = out;
    initial begin
        a = 0;
        b = 0;
        pipeline = 0;
        out = 0;
        if (REG_INPUTA_CLK != "CLK0" || REG_INPUTB_CLK != "CLK0" || REG_PIPELINE_CLK != "CLK0"
            || REG_OUTPUT_CLK != "CLK0") begin
            $display("MULT18X18D: this model needs all registers on CLK0");
            $finish;
        end
        // The mode that ecppack knows, in which SOURCEB 0 is parallel input.
        if (SOURCEB_MODE != "B_SHIFT") begin
            $display("MULT18X18D: this model needs SOURCEB_MODE B_SHIFT");
            $finish;
        end
    end
endmodule

module TRELLIS_FF #(
    parameter GSR = "ENABLED", CEMUX = "1", CLKMUX = "CLK", LSRMUX = "LSR", LSRONMUX = "LSRMUX",
    parameter SRMODE = "LSR_OVER_CE", REGSET = "SET", LSRMODE = "LSR"
) (
    input CLK, LSR, CE, DI, M, output reg Q
);
    localparam [0:0] SET = REGSET == "SET";
    wire enable = CEMUX == "CE" ? CE : CEMUX == "INV" ? ~CE : CEMUX == "1";
    wire reset = LSRMUX == "LSR" ? LSR : ~LSR;
    initial Q = SET;
    generate
        if (CLKMUX != "CLK" || SRMODE != "LSR_OVER_CE" || LSRMODE != "LSR") begin : unsupported
            initial begin
                $display("TRELLIS_FF: a mode without a model");
                $finish;
            end
        end
    endgenerate
    always @(posedge CLK)
        if (reset) Q <= SET;
        else if (enable) Q <= DI;
endmodule

module LUT4 #(parameter INIT = 16'h0000) (input A, B, C, D, output Z);
    // By selection: an unknown input that makes no difference leaves the output known.
    localparam [15:0] TABLE = INIT;
    wire [7:0] d = D ? TABLE[15:8] : TABLE[7:0];
    wire [3:0] c = C ? d[7:4] : d[3:0];
    wire [1:0] b = B ? c[3:2] : c[1:0];
    assign Z = A ? b[1] : b[0];
endmodule

// Half of a carry cell: a LUT whose output propagates the carry and whose lower quarter, of A and B
// alone, generates it. INJECT: no carry into the sum.
module CCU2C_HALF #(parameter [15:0] TABLE = 0, parameter INJECT = "YES") (
    input A, B, C, D, CIN, output S, COUT
);
    wire propagate, low;
    LUT4 #(.INIT(TABLE)) whole(.A(A), .B(B), .C(C), .D(D), .Z(propagate));
    LUT4 #(.INIT(TABLE)) quarter(.A(A), .B(B), .C(1'b0), .D(1'b0), .Z(low));
    wire generated = INJECT == "YES" ? 1'b0 : low;
    assign S = propagate ^ (INJECT == "YES" ? 1'b0 : CIN);
    assign COUT = propagate ? CIN : generated;
endmodule

module CCU2C #(
    parameter INIT0 = 16'h0000, INIT1 = 16'h0000, INJECT1_0 = "YES", INJECT1_1 = "YES"
) (
    input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT
);
    wire carry;
    CCU2C_HALF #(.TABLE(INIT0), .INJECT(INJECT1_0)) low(
        .A(A0), .B(B0), .C(C0), .D(D0), .CIN(CIN), .S(S0), .COUT(carry)
    );
    CCU2C_HALF #(.TABLE(INIT1), .INJECT(INJECT1_1)) high(
        .A(A1), .B(B1), .C(C1), .D(D1), .CIN(carry), .S(S1), .COUT(COUT)
    );
endmodule
