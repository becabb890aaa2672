// The two-rate processing element with its registers: operands, accumulator.
//
// HELD 1 has one more between the two additions of a pair, on the falling edge: the second
// adder stands still while the first one settles, and a pair still takes one cycle. It
// is for sequential pairs; FUSED then is 0.
module pe_two_rate_registered #(parameter FUSED = 0, parameter HELD = 0, parameter X = 10) (
    input  wire        clk,
    input  wire        mode, a_kind, b_kind,   // held still over a tile
    input  wire [15:0] a,
    input  wire [15:0] b,
    input  wire [15:0] acc,
    output reg  [15:0] sum
);
    reg  [15:0] a_held, b_held;
    wire [15:0] next;
    generate
        if (HELD != 0) begin : in_halves
            reg  [X+27:0] held;
            wire [X+27:0] next_held;
            two_rate_halves #(.X(X)) element (
                .mode(mode), .a_kind(a_kind), .b_kind(b_kind), .a(a_held), .b(b_held),
                .acc(acc), .held(held), .next_held(next_held), .sum(next));
            always @(negedge clk) held <= next_held;
        end else begin : at_once
            pe_two_rate #(.FUSED(FUSED), .X(X)) element (
                .mode(mode), .a_kind(a_kind), .b_kind(b_kind),
                .a(a_held), .b(b_held), .acc(acc), .sum(next));
        end
    endgenerate

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= next;
    end
endmodule
