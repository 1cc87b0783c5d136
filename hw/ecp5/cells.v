// Simulation models of the fabric cells of a netlist that Yosys synthesised for the ECP5, written
// from the behaviour that Lattice documents (FPGA-TN-02205, FPGA libraries guide). With models.v
// they make such a netlist simulable.

module LUT4 #(parameter INIT = 16'h0000) (input A, B, C, D, output Z);
    // By selection: an unknown input that makes no difference leaves the output known.
    localparam [15:0] TABLE = INIT;
    wire [7:0] d = D ? TABLE[15:8] : TABLE[7:0];
    wire [3:0] c = C ? d[7:4] : d[3:0];
    wire [1:0] b = B ? c[3:2] : c[1:0];
    assign Z = A ? b[1] : b[0];
endmodule

module PFUMX (input ALUT, BLUT, C0, output Z);
    assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (input D0, D1, SD, output Z);
    assign Z = SD ? D1 : D0;
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

module TRELLIS_DPR16X4 #(
    parameter WCKMUX = "WCK", WREMUX = "WRE", parameter [63:0] INITVAL = 64'd0
) (
    input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO
);
    reg [3:0] memory[0:15];
    integer i;
    // What the netlist leaves open is 0 after configuration.
    initial for (i = 0; i < 64; i = i + 1) memory[i / 4][i % 4] = INITVAL[i] === 1'b1;
    wire enable = WREMUX == "WRE" ? WRE : WREMUX == "INV" ? ~WRE : WREMUX == "1";
    always @(posedge WCK) if (enable) memory[WAD] <= DI;
    assign DO = memory[RAD];
endmodule
