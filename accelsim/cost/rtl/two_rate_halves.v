// The two additions of the sequential two-rate element, cut between them.
//
// The first half forms both products and first = round(acc + a0 b0); `next_held` is what
// the second half needs of it: first, and lane 1's product. The second half gives
// sum = round(first + a1 b1) of what comes back in `held`. In mode 0 there is one product,
// sum is first without a detour, and what is to be held stays zero.
module two_rate_halves #(parameter X = 10) (
    input  wire          mode, a_kind, b_kind,
    input  wire [15:0]   a,
    input  wire [15:0]   b,
    input  wire [15:0]   acc,
    input  wire [X+27:0] held,
    output wire [X+27:0] next_held,
    output wire [15:0]   sum
);
    wire [X+23:0] p0;
    wire [X+11:0] p1, q;
    wire [15:0]   first, start, second;
    two_rate_products #(.X(X)) products (
        .mode(mode), .a_kind(a_kind), .b_kind(b_kind), .a(a), .b(b), .p0(p0), .p1(p1));
    fp_add #(.E(6), .M(9), .P(20), .X(X)) add_0 (
        .acc(acc), .p_sign(p0[X+23]), .p_exp(p0[X+19:20]), .p_sig(p0[19:0]),
        .p_zero(p0[X+22]), .p_inf(p0[X+21]), .p_nan(p0[X+20]), .sum(first));
    assign next_held = {mode ? first : 16'b0, p1};

    assign {start, q} = held;
    fp_add #(.E(6), .M(9), .P(8), .X(X)) add_1 (
        .acc(start), .p_sign(q[X+11]), .p_exp(q[X+7:8]), .p_sig(q[7:0]),
        .p_zero(q[X+10]), .p_inf(q[X+9]), .p_nan(q[X+8]), .sum(second));
    assign sum = mode ? second : first;
endmodule
