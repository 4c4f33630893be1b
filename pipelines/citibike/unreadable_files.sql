-- The staged files that the trips with unreadable times came from. The files are read once more, which
-- is done only if there are such trips. Of both layouts the second and third field, or the third and fourth.
WITH TIMES AS (
  SELECT DISTINCT LAYOUT, COALESCE(STARTED_AT_TEXT, '') || '|' || COALESCE(ENDED_AT_TEXT, '') AS BOTH
  FROM {{ ref('unreadable_trips') }}
), FIELDS AS (
  SELECT 'old' AS LAYOUT, METADATA$FILENAME AS FILE, COALESCE($2, '') || '|' || COALESCE($3, '') AS BOTH
  FROM @load_stage/trips/old/ (FILE_FORMAT => 'TRIP_CSV')
  UNION ALL
  SELECT 'new', METADATA$FILENAME, COALESCE($3, '') || '|' || COALESCE($4, '')
  FROM @load_stage/trips/new/ (FILE_FORMAT => 'TRIP_CSV')
)
SELECT F.FILE, COUNT(*) AS TRIPS
FROM FIELDS AS F JOIN TIMES AS T ON T.LAYOUT = F.LAYOUT AND T.BOTH = F.BOTH
GROUP BY F.FILE
ORDER BY TRIPS DESC, F.FILE
