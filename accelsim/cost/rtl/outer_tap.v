// Outer adder at a tap of a column: takes the chunk sum of the rows above and hands
// the running sum over chunks on to the tap below, one cycle later.
module outer_tap #(
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter X = 10
) (
    input  wire         clk,
    input  wire [E+M:0] above,
    input  wire [E+M:0] chunk,
    output reg  [E+M:0] total
);
    wire [E+M:0] next;
    fp_sum #(.E(E), .M(M), .BIAS(BIAS), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
             .FLUSH(FLUSH), .X(X)) add (
        .a(above), .b(chunk), .sum(next));
    always @(posedge clk) total <= next;
endmodule
