-- A month file covers all days of its month: a day without a trip in it had none. The month is in
-- the file's name, as in JC-201509-citibike-tripdata.csv.gz.
WITH MONTHS AS (
  SELECT DISTINCT TO_DATE(REGEXP_SUBSTR(SPLIT_PART(FILE, '/', -1), '20[0-9]{2}(0[1-9]|1[0-2])') || '01', 'YYYYMMDD') AS FIRST_DAY
  FROM (
    SELECT FILE, STATUS FROM {{ ref('raw_trips_old_loads') }}
    UNION ALL
    SELECT FILE, STATUS FROM {{ ref('raw_trips_new_loads') }}
  )
  WHERE STATUS NOT IN ('LOAD_FAILED', 'REPLACED')
), NUMBERS AS (
  SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => 31))
)
SELECT DATEADD(day, N, FIRST_DAY) AS DATE
FROM MONTHS JOIN NUMBERS ON DATEADD(day, N, FIRST_DAY) <= LAST_DAY(FIRST_DAY)
