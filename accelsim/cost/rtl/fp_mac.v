// One rounded multiply-accumulate: sum = round(acc + a * b).
//
// The product is exact; with ROUND_PRODUCT it is rounded to the sum's format first.
module fp_mac #(
    parameter EA = 5, parameter MA = 2, parameter BIAS_A = 15, parameter SPECIALS_A = 1,
    parameter EB = 5, parameter MB = 2, parameter BIAS_B = 15, parameter SPECIALS_B = 1,
    parameter FLUSH_A = 0, parameter FLUSH_B = 0,
    parameter E = 6, parameter M = 9, parameter BIAS = 31,
    parameter SPECIALS = 1, parameter SATURATE = 0, parameter FLUSH = 0,
    parameter ROUND_PRODUCT = 0,
    parameter X = 10
) (
    input  wire [EA+MA:0] a,
    input  wire [EB+MB:0] b,
    input  wire [E+M:0]   acc,
    output wire [E+M:0]   sum
);
    // Whether products of two subnormal numbers all round to zero.
    localparam TINY = (ROUND_PRODUCT != 0) && (BIAS_A + BIAS_B - 2 >= BIAS + M);
    wire signed [X-1:0] p_exp;
    wire [MA+MB+1:0] p_sig;
    wire p_sign, p_zero, p_inf, p_nan;

    fp_product #(.EA(EA), .MA(MA), .BIAS_A(BIAS_A), .SPECIALS_A(SPECIALS_A), .FLUSH_A(FLUSH_A),
                 .EB(EB), .MB(MB), .BIAS_B(BIAS_B), .SPECIALS_B(SPECIALS_B),
                 .FLUSH_B(FLUSH_B), .OFFSET(BIAS), .TINY(TINY), .X(X)) multiply (
        .a(a), .b(b), .sign(p_sign), .exp(p_exp), .sig(p_sig),
        .is_zero(p_zero), .is_inf(p_inf), .is_nan(p_nan));
    generate
        if (ROUND_PRODUCT != 0) begin : rounded
            localparam P = MA + MB + 2;
            localparam W = (P > M + 2) ? P : M + 2;
            wire [W+P-1:0] padded = {p_sig, {W{1'b0}}};
            wire r_sign, r_zero, r_inf, r_nan;
            wire signed [X-1:0] r_exp;
            wire [M:0] r_sig;
            fp_round_unpacked #(.E(E), .M(M), .SPECIALS(SPECIALS),
                                .SATURATE(SATURATE), .FLUSH(FLUSH), .W(W), .X(X)) round (
                .sign(p_sign), .exp(p_exp), .sig(padded[W+P-1 -: W]),
                .is_zero(p_zero), .is_inf(p_inf), .is_nan(p_nan),
                .r_sign(r_sign), .r_exp(r_exp), .r_sig(r_sig),
                .r_zero(r_zero), .r_inf(r_inf), .r_nan(r_nan));
            fp_add #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
                     .FLUSH(FLUSH), .P(M + 1), .X(X)) add (
                .acc(acc), .p_sign(r_sign), .p_exp(r_exp), .p_sig(r_sig),
                .p_zero(r_zero), .p_inf(r_inf), .p_nan(r_nan), .sum(sum));
        end else begin : exact
            fp_add #(.E(E), .M(M), .SPECIALS(SPECIALS), .SATURATE(SATURATE),
                     .FLUSH(FLUSH), .P(MA + MB + 2), .X(X)) add (
                .acc(acc), .p_sign(p_sign), .p_exp(p_exp), .p_sig(p_sig),
                .p_zero(p_zero), .p_inf(p_inf), .p_nan(p_nan), .sum(sum));
        end
    endgenerate
endmodule
