"""The figures that data/weights.json holds, from the errors of `boxes.measure`."""
import numpy as np


def figures(error, clear):
    """error: {"yaw_deg", ...} of N vehicles; clear: [N] bool, which of them are in full view.

    A flip is a yaw that is wrong by more than 135 degrees. A vehicle without a box counts as IoU 0.
    """
    yaw = error["yaw_deg"]
    return {
        "vehicles": len(yaw),
        "yaw_median_deg": round(float(np.median(yaw)), 3),
        "yaw_mean_deg": round(float(np.mean(yaw)), 3),
        "flips_percent": round(float(np.mean(yaw > 135) * 100), 3),
        "over_30_deg_percent": round(float(np.mean(yaw > 30) * 100), 3),
        "dimension_mae_m": round(float(np.mean(error["dimension_m"])), 4),
        "iou_3d_mean": round(float(np.mean(error["iou_3d"])), 4),
        "clear": int(clear.sum()),
        "clear_yaw_median_deg": round(float(np.median(yaw[clear])), 3),
        "clear_distance_median_m": round(float(np.nanmedian(error["distance_m"][clear])), 3),
        "clear_iou_3d_mean": round(float(np.mean(error["iou_3d"][clear])), 4),
        "clear_iou_bev_mean": round(float(np.mean(error["iou_bev"][clear])), 4),
    }
