// Feeds the systolic array as fast as it takes, and logs every sum that is stored:
// cycle, column, code. Cycle 0 is the one in which the first row of weights enters.
module bench;
    localparam R = @R@, C = @C@, P = @P@, HIDDEN = @HIDDEN@;
    localparam ROWS = @ROWS@, VECTORS = @VECTORS@, LIMIT = @LIMIT@;
    reg clk, reset;
    integer cycle, w_at, x_at, sink, i;
    reg [C*P*8-1:0]   w_memory [0:ROWS-1];
    reg [R*P*8+2:0]   x_memory [0:VECTORS-1];      // {first, last, fresh, vector}
    wire              w_ready, x_ready;
    wire              w_valid = ~reset & (w_at < ROWS);
    wire              x_valid = ~reset & (x_at < VECTORS);
    wire [R*P*8+2:0]  x = x_memory[x_valid ? x_at : 0];
    wire [C-1:0]      out_valid;
    wire [C*16-1:0]   out_data;
    systolic_ws #(.R(R), .C(C), .P(P), .HIDDEN(HIDDEN)) array (
        .clk(clk), .reset(reset),
        .w_valid(w_valid), .w_ready(w_ready), .w_data(w_memory[w_valid ? w_at : 0]),
        .x_valid(x_valid), .x_ready(x_ready), .x_first(x[R*P*8+2]), .x_last(x[R*P*8+1]),
        .x_fresh(x[R*P*8]), .x_data(x[R*P*8-1:0]),
        .out_valid(out_valid), .out_data(out_data));
    initial begin
        $readmemh("weights.hex", w_memory);
        $readmemh("vectors.hex", x_memory);
        sink = $fopen("stored.txt", "w");
        reset = 1; clk = 0; cycle = 0; w_at = 0; x_at = 0;
        #1 clk = 1; #1 clk = 0;
        reset = 0;
        while (cycle < LIMIT) begin
            #1;
            for (i = 0; i < C; i = i + 1)
                if (out_valid[i]) $fwrite(sink, "%0d %0d %h\n", cycle, i, out_data[16*i +: 16]);
            if (w_valid & w_ready) w_at <= w_at + 1;
            if (x_valid & x_ready) x_at <= x_at + 1;
            clk = 1; #1 clk = 0;
            cycle = cycle + 1;
        end
        $fclose(sink);
        $finish;
    end
endmodule
