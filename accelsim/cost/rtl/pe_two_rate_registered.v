// The two-rate processing element with its registers: operands, accumulator.
module pe_two_rate_registered #(parameter FUSED = 0, parameter X = 10) (
    input  wire        clk,
    input  wire        mode, a_kind, b_kind,   // held still over a tile
    input  wire [15:0] a,
    input  wire [15:0] b,
    input  wire [15:0] acc,
    output reg  [15:0] sum
);
    reg  [15:0] a_held, b_held;
    wire [15:0] next;
    pe_two_rate #(.FUSED(FUSED), .X(X)) element (
        .mode(mode), .a_kind(a_kind), .b_kind(b_kind),
        .a(a_held), .b(b_held), .acc(acc), .sum(next));

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= next;
    end
endmodule
