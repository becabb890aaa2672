// Weight-stationary systolic array with chunk accumulators at the foot of its columns.
//
// R x C elements, each P multiply-accumulates a cycle, one after the other in k order.
// A tile of R * P weights per column enters row by row, last row first and without a
// gap, and moves down one row a cycle. Vectors of R * P operands enter one a cycle;
// row r gets its share r cycles later, column c what passed column c - 1 in the cycle
// before. A column's sum over the tile is one chunk: from its last row it goes to the
// outer adder, which adds it, a cycle later, to the column's running sum of that
// vector, or to +0 where `x_fresh` says so.
//
// HIDDEN 1: a second weight register per element, which fills while the first is in
// use. HIDDEN 0: one, which fills when the last vector of a tile has entered.
// Both inputs wait for their `ready`.
module systolic_ws #(
    parameter R = 4, parameter C = 4, parameter P = 1,
    parameter HIDDEN = 1,
    parameter DEPTH = 64,                  // vectors of a tile, at most
    parameter EA = 5, parameter MA = 2, parameter BIAS_A = 15, parameter SPECIALS_A = 1,
    parameter EB = 5, parameter MB = 2, parameter BIAS_B = 15, parameter SPECIALS_B = 1,
    parameter E = 6, parameter M = 9, parameter BIAS = 31, parameter SPECIALS = 1,
    parameter X = 8
) (
    input  wire                     clk, reset,
    input  wire                     w_valid,
    output wire                     w_ready,
    input  wire [C*P*(EB+MB+1)-1:0] w_data,            // column 0 lowest, first k lowest
    input  wire                     x_valid, x_first, x_last, x_fresh,
    output wire                     x_ready,
    input  wire [R*P*(EA+MA+1)-1:0] x_data,            // row 0 lowest, first k lowest
    output wire [C-1:0]             out_valid,
    output wire [C*(E+M+1)-1:0]     out_data           // what the running sum becomes
);
    localparam XW = P * (EA + MA + 1);
    localparam WW = P * (EB + MB + 1);
    localparam S  = E + M + 1;

    // Which bank is full, filled next, used next.
    reg  [1:0]  full;
    reg         load_bank, use_bank;
    reg  [15:0] rows_in;
    assign w_ready = ~full[load_bank];
    assign x_ready = full[use_bank];
    wire load = w_valid & w_ready;
    wire take = x_valid & x_ready;
    always @(posedge clk)
        if (reset) begin
            full      <= 2'b00;
            load_bank <= 1'b0;
            use_bank  <= 1'b0;
            rows_in   <= 16'd0;
        end else begin
            if (load) begin
                rows_in <= (rows_in == R - 1) ? 16'd0 : rows_in + 16'd1;
                if (rows_in == R - 1) begin
                    full[load_bank] <= 1'b1;
                    load_bank       <= load_bank ^ (HIDDEN != 0);
                end
            end
            if (take & x_last) begin
                full[use_bank] <= 1'b0;
                use_bank       <= use_bank ^ (HIDDEN != 0);
            end
        end

    // What entered some cycles ago: {taken, first, fresh} for the feet of the columns.
    reg  [3*(R+C)-1:0] past;
    always @(posedge clk)
        past <= reset ? {3*(R+C){1'b0}}
                      : {past[3*(R+C-1)-1:0], take, x_first, x_fresh};

    // Nets between elements: x and bank to the right, weights and sums downwards.
    wire [(C+1)*R*(XW+1)-1:0] east;
    wire [(R+1)*C*S-1:0]      south;
    wire [(R+1)*C*2*WW-1:0]   held;       // both banks of the row above
    wire [(R+1)*C*2-1:0]      filled;     // the row above took a weight in the last cycle
    wire [C-1:0]              col_load, col_bank;

    genvar r, c, p;
    generate
        for (r = 0; r < R; r = r + 1) begin : skew_row
            wire [XW:0] now = {use_bank, x_data[r*XW +: XW]};
            if (r == 0) begin : none
                assign east[r*(XW+1) +: XW+1] = now;
            end else begin : delay
                reg [r*(XW+1)-1:0] line;
                always @(posedge clk) line <= {line, now};
                assign east[r*(XW+1) +: XW+1] = line[r*(XW+1)-1 -: XW+1];
            end
        end
        for (c = 0; c < C; c = c + 1) begin : skew_column
            wire [WW+1:0] now = {load, load_bank, w_data[c*WW +: WW]};
            wire [WW+1:0] late;
            if (c == 0) begin : none
                assign late = now;
            end else begin : delay
                reg [c*(WW+2)-1:0] line;
                always @(posedge clk)
                    line <= reset ? {c*(WW+2){1'b0}} : {line, now};
                assign late = line[c*(WW+2)-1 -: WW+2];
            end
            assign col_load[c] = late[WW+1];
            assign col_bank[c] = late[WW];
            assign held[c*2*WW +: 2*WW] = {2{late[WW-1:0]}};
            assign filled[c*2 +: 2] = 2'b11;
            assign south[c*S +: S] = {S{1'b0}};
        end

        for (r = 0; r < R; r = r + 1) begin : row
            for (c = 0; c < C; c = c + 1) begin : column
                wire [XW:0]       x_in  = east[(c*R+r)*(XW+1) +: XW+1];
                wire [2*WW-1:0]   above = held[(r*C+c)*2*WW +: 2*WW];
                wire [1:0]        moves = filled[(r*C+c)*2 +: 2]
                                        & {col_load[c] & col_bank[c], col_load[c] & ~col_bank[c]};
                reg  [1:0]        moved;
                reg  [2*WW-1:0]   weights;
                reg  [XW:0]       x_out;
                reg  [S-1:0]      sum;
                wire [WW-1:0]     w = x_in[XW] ? weights[2*WW-1:WW] : weights[WW-1:0];
                wire [(P+1)*S-1:0] chain;
                assign chain[S-1:0] = south[(r*C+c)*S +: S];
                for (p = 0; p < P; p = p + 1) begin : product
                    fp_mac #(.EA(EA), .MA(MA), .BIAS_A(BIAS_A), .SPECIALS_A(SPECIALS_A),
                             .EB(EB), .MB(MB), .BIAS_B(BIAS_B), .SPECIALS_B(SPECIALS_B),
                             .E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .X(X)) mac (
                        .a(x_in[p*(EA+MA+1) +: EA+MA+1]), .b(w[p*(EB+MB+1) +: EB+MB+1]),
                        .acc(chain[p*S +: S]), .sum(chain[(p+1)*S +: S]));
                end
                always @(posedge clk) begin
                    x_out <= x_in;
                    sum   <= chain[P*S +: S];
                    moved <= reset ? 2'b00 : moves;
                    if (moves[0]) weights[WW-1:0]    <= above[WW-1:0];
                    if (moves[1]) weights[2*WW-1:WW] <= above[2*WW-1:WW];
                end
                assign east[((c+1)*R+r)*(XW+1) +: XW+1] = x_out;
                assign south[((r+1)*C+c)*S +: S]        = sum;
                assign held[((r+1)*C+c)*2*WW +: 2*WW]   = weights;
                assign filled[((r+1)*C+c)*2 +: 2]       = moved;
            end
        end

        for (c = 0; c < C; c = c + 1) begin : foot
            wire         valid = past[3*(R+c-1)+2];
            wire         first = past[3*(R+c-1)+1];
            wire         fresh = past[3*(R+c-1)];
            reg  [15:0]  at;
            wire [15:0]  index = first ? 16'd0 : at;
            reg  [S-1:0] total [0:DEPTH-1];
            wire [S-1:0] next;
            fp_sum #(.E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .X(X)) add (
                .a(fresh ? {S{1'b0}} : total[index]), .b(south[(R*C+c)*S +: S]), .sum(next));
            always @(posedge clk)
                if (valid) begin
                    total[index] <= next;
                    at           <= index + 16'd1;
                end
            assign out_valid[c]      = valid;
            assign out_data[c*S +: S] = next;
        end
    endgenerate
endmodule
