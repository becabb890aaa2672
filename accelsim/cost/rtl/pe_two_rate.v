// Processing element of two rates: one (1,6,9) product a cycle, or two 8-bit products.
//
// mode 0: sum = round(acc + a * b), a and b (1,6,9) codes.
// mode 1: a = {a1, a0} and b = {b1, b0} hold two 8-bit floats each, of the kinds given
//         (0 e5m2, 1 e4m3fn); lane 0 is the earlier k position.
//           FUSED 0: sum = round(round(acc + a0 b0) + a1 b1)
//           FUSED 1: sum = round(acc + a0 b0 + a1 b1)
// All products are exact.
module pe_two_rate #(parameter FUSED = 0, parameter X = 10) (
    input  wire        mode, a_kind, b_kind,
    input  wire [15:0] a,
    input  wire [15:0] b,
    input  wire [15:0] acc,
    output wire [15:0] sum
);
    generate
        if (FUSED != 0) begin : fused
            wire [X+23:0] p0;
            wire [X+11:0] p1;
            wire q_sign, q_zero, q_inf, q_nan;
            wire signed [X-1:0] q_exp;
            wire [71:0] q_sig;
            two_rate_products #(.X(X)) products (
                .mode(mode), .a_kind(a_kind), .b_kind(b_kind), .a(a), .b(b), .p0(p0), .p1(p1));
            fp8_product_sum #(.OFFSET(31), .X(X)) pair (
                .p_sign(p0[X+23]), .p_exp(p0[X+19:20]), .p_sig(p0[19:12]),
                .p_zero(p0[X+22]), .p_inf(p0[X+21]), .p_nan(p0[X+20]),
                .q_sign(p1[X+11]), .q_exp(p1[X+7:8]), .q_sig(p1[7:0]),
                .q_zero(p1[X+10]), .q_inf(p1[X+9]), .q_nan(p1[X+8]),
                .sign(q_sign), .exp(q_exp), .sig(q_sig),
                .is_zero(q_zero), .is_inf(q_inf), .is_nan(q_nan));
            fp_add #(.E(6), .M(9), .P(72), .X(X)) add (
                .acc(acc),
                .p_sign(mode ? q_sign : p0[X+23]), .p_exp(mode ? q_exp : p0[X+19:20]),
                .p_sig(mode ? q_sig : {p0[19:0], 52'b0}),
                .p_zero(mode ? q_zero : p0[X+22]), .p_inf(mode ? q_inf : p0[X+21]),
                .p_nan(mode ? q_nan : p0[X+20]), .sum(sum));
        end else begin : sequential
            wire [X+27:0] through;
            two_rate_halves #(.X(X)) halves (
                .mode(mode), .a_kind(a_kind), .b_kind(b_kind), .a(a), .b(b), .acc(acc),
                .held(through), .next_held(through), .sum(sum));
        end
    endgenerate
endmodule
