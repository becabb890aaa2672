// Processing element for 8-bit floats of both kinds, with a (1,6,9) accumulator.
module pe_fp8_dual #(parameter X = 10) (
    input  wire        clk,
    input  wire        a_kind, b_kind,     // 0 e5m2, 1 e4m3fn; held still over a tile
    input  wire [7:0]  a,
    input  wire [7:0]  b,
    input  wire [15:0] acc,
    output reg  [15:0] sum
);
    reg  [7:0]  a_held, b_held;
    wire [15:0] next;
    wire a_sign, a_zero, a_inf, a_nan, b_sign, b_zero, b_inf, b_nan;
    wire p_sign, p_zero, p_inf, p_nan;
    wire signed [X-1:0] a_exp, b_exp, p_exp;
    wire [3:0] a_sig, b_sig;
    wire [7:0] p_sig;

    fp8_unpack_dual #(.X(X)) unpack_a (.code(a_held), .kind(a_kind), .sign(a_sign),
        .exp(a_exp), .sig(a_sig), .is_zero(a_zero), .is_inf(a_inf), .is_nan(a_nan));
    fp8_unpack_dual #(.X(X)) unpack_b (.code(b_held), .kind(b_kind), .sign(b_sign),
        .exp(b_exp), .sig(b_sig), .is_zero(b_zero), .is_inf(b_inf), .is_nan(b_nan));
    fp_mul #(.MA(3), .MB(3), .X(X)) multiply (
        .a_sign(a_sign), .a_exp(a_exp), .a_sig(a_sig),
        .a_zero(a_zero), .a_inf(a_inf), .a_nan(a_nan),
        .b_sign(b_sign), .b_exp(b_exp), .b_sig(b_sig),
        .b_zero(b_zero), .b_inf(b_inf), .b_nan(b_nan),
        .sign(p_sign), .exp(p_exp), .sig(p_sig),
        .is_zero(p_zero), .is_inf(p_inf), .is_nan(p_nan));
    fp_add #(.E(6), .M(9), .BIAS(31), .P(8), .X(X)) add (
        .acc(acc), .p_sign(p_sign), .p_exp(p_exp), .p_sig(p_sig),
        .p_zero(p_zero), .p_inf(p_inf), .p_nan(p_nan), .sum(next));

    always @(posedge clk) begin
        a_held <= a;
        b_held <= b;
        sum    <= next;
    end
endmodule
