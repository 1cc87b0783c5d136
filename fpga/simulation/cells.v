// Simulation models of the ECP5 cells that the SoC instantiates, as far as it uses them.

`timescale 1ps/1ps

// A PLL: measures its input, then runs its outputs from the frequency and the phases that the
// parameters give. LOCK rises with the first output edge. While RST is high there are no clocks, as
// with PLLRST_ENA: a reset that comes from one of them would not end.
module EHXPLLL #(
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, FEEDBK_PATH = "INT_OP",
    parameter CLKOP_ENABLE = "DISABLED", CLKOS_ENABLE = "DISABLED",
    parameter CLKOS2_ENABLE = "DISABLED", CLKOS3_ENABLE = "DISABLED",
    parameter CLKOP_DIV = 8, CLKOS_DIV = 8, CLKOS2_DIV = 8, CLKOS3_DIV = 8,
    parameter CLKOP_CPHASE = 0, CLKOS_CPHASE = 0, CLKOS2_CPHASE = 0, CLKOS3_CPHASE = 0,
    parameter CLKOP_FPHASE = 0, CLKOS_FPHASE = 0, CLKOS2_FPHASE = 0, CLKOS3_FPHASE = 0
) (
    input CLKI, input RST, input STDBY,
    output CLKOP, output CLKOS, output CLKOS2, output CLKOS3,
    output LOCK
);
    reg [3:0] clocks = 0;
    reg locked = 0;
    assign {CLKOS3, CLKOS2, CLKOS, CLKOP} = RST ? 4'b0 : clocks;
    assign LOCK = locked & ~RST;
    localparam integer FEEDBACK_DIV =
        FEEDBK_PATH == "INT_OP" ? CLKOP_DIV : FEEDBK_PATH == "INT_OS" ? CLKOS_DIV :
        FEEDBK_PATH == "INT_OS2" ? CLKOS2_DIV : CLKOS3_DIV;
    realtime first, vco;  // period of the oscillator, ps
    reg running = 0;

    initial begin
        @(posedge CLKI) first = $realtime;
        repeat (16) @(posedge CLKI);
        vco = ($realtime - first) / 16 * CLKI_DIV / CLKFB_DIV / FEEDBACK_DIV;
        running = 1;
        #(vco * 128) locked = 1;
    end
    initial if (CLKOP_ENABLE == "ENABLED") begin
        wait (running);
        #(vco * (CLKOP_CPHASE - (CLKOP_DIV - 1) + CLKOP_FPHASE / 8.0));
        forever #(vco * CLKOP_DIV / 2) clocks[0] = !clocks[0];
    end
    // The output that only closes the loop is left out.
    initial if (CLKOS_ENABLE == "ENABLED" && CLKOS_DIV != 1) begin
        wait (running);
        #(vco * (CLKOS_CPHASE - (CLKOS_DIV - 1) + CLKOS_FPHASE / 8.0));
        forever #(vco * CLKOS_DIV / 2) clocks[1] = !clocks[1];
    end
    initial if (CLKOS2_ENABLE == "ENABLED" && CLKOS2_DIV != 1) begin
        wait (running);
        #(vco * (CLKOS2_CPHASE - (CLKOS2_DIV - 1) + CLKOS2_FPHASE / 8.0));
        forever #(vco * CLKOS2_DIV / 2) clocks[2] = !clocks[2];
    end
    initial if (CLKOS3_ENABLE == "ENABLED" && CLKOS3_DIV != 1) begin
        wait (running);
        #(vco * (CLKOS3_CPHASE - (CLKOS3_DIV - 1) + CLKOS3_FPHASE / 8.0));
        forever #(vco * CLKOS3_DIV / 2) clocks[3] = !clocks[3];
    end
endmodule

// Flip-flop with asynchronous preset.
module FD1S3BX (input D, input CK, input PD, output reg Q = 1);
    always @(posedge CK or posedge PD) if (PD) Q <= 1; else Q <= D;
endmodule

// Flip-flops in a pad.
module IFS1P3BX (input D, input SP, input SCLK, input PD, output reg Q = 1);
    always @(posedge SCLK or posedge PD) if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

module OFS1P3BX (input D, input SP, input SCLK, input PD, output reg Q = 1);
    always @(posedge SCLK or posedge PD) if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

// Two bits a cycle to a pad: the one for the high and the one for the low half of the clock. The
// device holds both for a cycle; the SoC gives constants (a clock).
module ODDRX1F (input D0, input D1, input SCLK, input RST, output Q);
    assign Q = SCLK ? D0 : D1;
endmodule

module TRELLIS_IO #(parameter DIR = "INPUT") (inout B, input I, input T, output O);
    assign B = T ? 1'bz : I;
    assign O = B;
endmodule
