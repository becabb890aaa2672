"""What other libraries call the float formats that they have, too."""

from __future__ import annotations

from typing import Any

import gfloat.formats as gf
import ml_dtypes
import numpy as np

ML_DTYPES: dict[str, Any] = {
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "fp8_e4m3": ml_dtypes.float8_e4m3,
    "fp8_e3m4": ml_dtypes.float8_e3m4,
    "fp8_e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "fp8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "fp8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "bf16": ml_dtypes.bfloat16,
    "fp16_e5m10": np.float16,
}
GFLOAT: dict[str, Any] = {
    "fp8_e5m2": gf.format_info_ocp_e5m2,
    "fp8_e4m3fn": gf.format_info_ocp_e4m3,
    "fp6_e3m2": gf.format_info_ocp_e3m2,
    "fp6_e2m3": gf.format_info_ocp_e2m3,
    "fp4_e2m1": gf.format_info_ocp_e2m1,
    "e8m0": gf.format_info_ocp_e8m0,
    "mx_int8_element": gf.format_info_ocp_int8,
    "fp16_e5m10": gf.format_info_binary16,
    "bf16": gf.format_info_bfloat16,
}
