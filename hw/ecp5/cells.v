// Simulation models of the fabric cells of a netlist that Yosys synthesised for the ECP5, written
// from the behaviour that Lattice documents (FPGA-TN-02205, FPGA libraries guide). With models.v
// they make such a netlist simulable.

module PFUMX (input ALUT, BLUT, C0, output Z);
    assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (input D0, D1, SD, output Z);
    assign Z = SD ? D1 : D0;
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
