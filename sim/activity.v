// Activity recorder for simulation: counts events in windows of `window` cycles while the accelerator
// runs and writes a line of counts to job<N>.activity at the end of each window; the last one may be
// shorter. Off where `window` is 0. The file's first line names the columns.

module activity (
    input clk,
    input rst,
    input [31:0] window,              // cycles
    input [31:0] job,
    input running,
    input fetch, load, weights, residual,              // a word has come for this engine
    input compute,                                     // the array takes a pixel
    input drain,                                       // accumulators are read
    input store,                                       // a word is written to memory
    input wait_instruction, wait_load, wait_drain, wait_weights   // why the array is idle
);
    localparam COLUMNS = 11;

    wire [COLUMNS-1:0] events = {
        wait_weights, wait_drain, wait_load, wait_instruction,
        store, drain, compute, residual, weights, load, fetch
    };
    reg [31:0] count [0:COLUMNS-1];
    reg [31:0] cycles;
    reg [8*32-1:0] file_name;
    integer file, i;

    initial begin
        file = 0;
        cycles = 0;
    end

    always @(posedge clk) if (window != 0) begin
        if (running && !rst) begin
            if (file == 0) begin
                $sformat(file_name, "job%0d.activity", job);
                file = $fopen(file_name, "w");
                $fwrite(file, "cycles fetch load weights residual compute drain store ");
                $fwrite(file, "wait_instruction wait_load wait_drain wait_weights\n");
                for (i = 0; i < COLUMNS; i = i + 1) count[i] = 0;
                cycles = 0;
            end
            for (i = 0; i < COLUMNS; i = i + 1) count[i] = count[i] + events[i];
            cycles = cycles + 1;
        end
        if (file != 0 && (cycles == window || !running || rst)) begin
            if (cycles != 0) begin
                $fwrite(file, "%0d", cycles);
                for (i = 0; i < COLUMNS; i = i + 1) begin
                    $fwrite(file, " %0d", count[i]);
                    count[i] = 0;
                end
                $fwrite(file, "\n");
            end
            cycles = 0;
            if (!running || rst) begin
                $fclose(file);
                file = 0;
            end
        end
    end
endmodule
