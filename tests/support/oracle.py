"""An independent computation of the published numbers: pandas on recorded candles, none of our code in it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd

DAY, HOUR, MINUTE = pd.Timedelta("24h"), pd.Timedelta("1h"), pd.Timedelta("1min")


def recorded(path: Path, shift_seconds: float = 0.0) -> pd.DataFrame:
    """Read a slice of recorded candles: columns market, minute (close time, shifted), price, volume_24h."""
    frame = pd.read_parquet(path, columns=["market", "timestamp", "close", "volume"])
    frame["minute"] = frame["timestamp"] + MINUTE + pd.Timedelta(seconds=shift_seconds)
    frame = frame.sort_values(["market", "minute"])
    rolling = frame.set_index("minute").groupby("market")["volume"].rolling("24h").sum()
    frame["volume_24h"] = rolling.to_numpy()
    return frame.rename(columns={"close": "price"})[["market", "minute", "price", "volume_24h"]]


def statistics(frame: pd.DataFrame, at: datetime, metric: str) -> pd.DataFrame:
    """Compute one metric's statistics at the minute `at`, indexed by the slice's market name."""
    t = pd.Timestamp(at)
    day = frame[(frame["minute"] > t - DAY) & (frame["minute"] <= t)]
    values = day.groupby("market")[metric]
    hour = day[(day["minute"] >= t - HOUR) & (day["minute"] < t)].groupby("market")[metric]
    first = day[day["minute"] <= t - DAY + HOUR].groupby("market")[metric].first()
    result = pd.DataFrame(
        {
            "latest": values.last(),
            "mean_1h": hour.mean(),
            "n_1h": hour.count(),
            "stdev_24h": values.std(ddof=0),
            "n_24h": values.count(),
            "min_24h": values.min(),
            "max_24h": values.max(),
            "mean_24h": values.mean(),
        }
    )
    result.loc[result["min_24h"] == result["max_24h"], "stdev_24h"] = 0.0  # pandas leaves 1e-11
    result["change_24h"] = result["latest"] / first - 1
    result["cv_24h"] = result["stdev_24h"] / result["mean_24h"]
    result["ratio_1h"] = result["latest"] / result["mean_1h"]
    result["rank"] = result["stdev_24h"].rank(method="min", ascending=False).astype("Int64")
    return result


def largest_difference(published: dict[str, dict[str, float]], expected: pd.DataFrame) -> tuple[float, str]:
    """Compare published series (by market name) with `statistics`; give the largest relative difference and its place.

    Ranks and counts must be equal; a value on one side only counts as infinitely different.
    """
    worst = (0.0, "none")
    assert sorted(published) == sorted(expected.index)
    for market, row in expected.iterrows():
        ours = published[market]
        for name in ("rank", "n_1h", "n_24h"):
            assert ours[name] == row[name], (market, name, ours[name], row[name])
        for name in ("latest", "mean_1h", "stdev_24h", "min_24h", "max_24h", "change_24h", "cv_24h", "ratio_1h"):
            theirs = None if pd.isna(row[name]) else float(row[name])
            if (ours[name] is None) != (theirs is None):
                worst = max(worst, (float("inf"), f"{market} {name}"))
            elif theirs is not None:
                scale = max(
                    abs(theirs), 1.0 if name == "change_24h" else 0.0
                )  # a change near 0 is a small difference of two
                off = abs(ours[name] - theirs) / scale if scale else abs(ours[name])
                worst = max(worst, (off, f"{market} {name}"))
    return worst
