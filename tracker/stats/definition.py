"""The definitions of DESIGN.md, section 2, as SQL."""

SQL = """
WITH stamped AS (
    SELECT
        *,
        minute > $minute - INTERVAL 24 HOUR AND minute <= $minute AS in_day,
        minute >= $minute - INTERVAL 60 MINUTE AND minute < $minute AS in_hour
    FROM samples
),
anchored AS (
    SELECT
        *,
        value - first_value(value) OVER before AS apart,
        first_value(CASE WHEN in_hour THEN value END IGNORE NULLS) OVER before AS first_of_hour
    FROM stamped
    WINDOW before AS (PARTITION BY market, metric, in_day ORDER BY minute)
),
per_series AS (
    SELECT
        market,
        metric,
        arg_max(value, minute) FILTER (in_day) AS latest,
        max(minute) FILTER (in_day) AS latest_minute,
        arg_min(value, minute) FILTER (in_day AND minute <= $minute - INTERVAL 23 HOUR) AS day_before,
        any_value(first_of_hour) FILTER (in_hour) + avg(value - first_of_hour) FILTER (in_hour) AS mean_1h,
        count(*) FILTER (in_hour) AS n_1h,
        stddev_pop(apart) FILTER (in_day) AS deviation,
        avg(value) FILTER (in_day) AS mean_24h,
        count(*) FILTER (in_day) AS n_24h,
        min(value) FILTER (in_day) AS min_24h,
        max(value) FILTER (in_day) AS max_24h
    FROM anchored
    GROUP BY market, metric
    HAVING n_24h > 0
),
measured AS (
    SELECT *, CASE WHEN n_24h < 2 THEN NULL WHEN min_24h = max_24h THEN 0 ELSE deviation END AS stdev_24h
    FROM per_series
)
SELECT
    market,
    metric,
    $minute AS minute,
    latest,
    latest_minute,
    latest / nullif(day_before, 0) - 1 AS change_24h,
    mean_1h,
    CASE WHEN latest_minute = $minute AND mean_1h > 0 THEN latest / mean_1h END AS ratio_1h,
    stdev_24h,
    stdev_24h / nullif(mean_24h, 0) AS cv_24h,
    CASE WHEN stdev_24h IS NOT NULL
         THEN rank() OVER (PARTITION BY metric ORDER BY stdev_24h DESC NULLS LAST) END AS rank,
    n_1h,
    n_24h,
    min_24h,
    max_24h
FROM measured
ORDER BY metric, rank NULLS LAST, market
"""
"""The definitions of DESIGN.md, section 2, as DuckDB runs them over `samples`: the columns of `frames.SAMPLES`.

`tracker.stats.summarise` computes the same to the last bit (tests run both). To check a published number, run this
yourself on the Parquet files; docs/definitions.md shows how. One thread is part of it: parallel partial sums change the
last digits from run to run, and with them shared ranks. `stddev_pop` is Welford's, in one pass; as it is taken of the
distances from the day's first sample, which floats hold exactly, a deviation far below the value loses no digits. The
mean of the hour goes by distances too: that of a constant is the constant.
"""
