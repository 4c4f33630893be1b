-- warehouses.insurance_wh: create the warehouse INSURANCE_WH if it does not exist; otherwise change the settings that differ
CREATE WAREHOUSE IF NOT EXISTS INSURANCE_WH WITH WAREHOUSE_TYPE = 'STANDARD' WAREHOUSE_SIZE = 'MEDIUM' AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;
-- stages.model_stage: make sure that the stage MODEL_STAGE is there
CREATE STAGE IF NOT EXISTS MODEL_STAGE ;
-- tags.model_id: make sure that the tag MODEL_ID is there
CREATE TAG IF NOT EXISTS MODEL_ID COMMENT = 'The run''s model';
-- imports.autogluon: stage autogluon.tabular==1.6.3: 5 wheels on MODEL_STAGE
PUT 'file://autogluon_common-1.6.3-py3-none-any.whl' '@MODEL_STAGE/wheels/140fdd669ad8c45e/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
PUT 'file://autogluon_core-1.6.3-py3-none-any.whl' '@MODEL_STAGE/wheels/74db0b6ce97a4bd7/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
PUT 'file://autogluon_features-1.6.3-py3-none-any.whl' '@MODEL_STAGE/wheels/b9f4f5cb5162ab7f/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
PUT 'file://autogluon_tabular-1.6.3-py3-none-any.whl' '@MODEL_STAGE/wheels/6511e7e3edf9a93b/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
PUT 'file://typing_extensions-4.16.0-py3-none-any.whl' '@MODEL_STAGE/wheels/481caa481374e813/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
-- sources.insurance: load the source INSURANCE from sample
PUT 'file://sample' '@SOURCE_INSURANCE/' PARALLEL = 4 AUTO_COMPRESS = TRUE SOURCE_COMPRESSION = AUTO_DETECT OVERWRITE = TRUE;
-- split_charges: hold out 20% of INSURANCE as INSURANCE_TEST
CREATE OR REPLACE TABLE INSURANCE_TRAIN WITH TAG (MODEL_ID = 'MODEL_ID') AS SELECT * FROM INSURANCE QUALIFY RANK() OVER (ORDER BY MD5(CONCAT_WS('|', '7', COALESCE(AGE::VARCHAR, ''), COALESCE(SEX::VARCHAR, ''), COALESCE(BMI::VARCHAR, ''), COALESCE(CHILDREN::VARCHAR, ''), COALESCE(SMOKER::VARCHAR, ''), COALESCE(REGION::VARCHAR, ''), COALESCE(CHARGES::VARCHAR, '')))) > 0.2 * COUNT(*) OVER ();
CREATE OR REPLACE TABLE INSURANCE_TEST WITH TAG (MODEL_ID = 'MODEL_ID') AS SELECT * FROM INSURANCE QUALIFY RANK() OVER (ORDER BY MD5(CONCAT_WS('|', '7', COALESCE(AGE::VARCHAR, ''), COALESCE(SEX::VARCHAR, ''), COALESCE(BMI::VARCHAR, ''), COALESCE(CHILDREN::VARCHAR, ''), COALESCE(SMOKER::VARCHAR, ''), COALESCE(REGION::VARCHAR, ''), COALESCE(CHARGES::VARCHAR, '')))) <= 0.2 * COUNT(*) OVER ();
-- snapshot_train: clone INSURANCE_TRAIN to INSURANCE_TRAIN_MODEL_ID
CREATE OR REPLACE TABLE INSURANCE_TRAIN_MODEL_ID CLONE INSURANCE_TRAIN;
ALTER TABLE INSURANCE_TRAIN_MODEL_ID SET TAG MODEL_ID = 'MODEL_ID';
-- train_charges: train RF, XT, KNN on INSURANCE_TRAIN in the procedure, for at most 300 s
PUT 'file://*' '@MODEL_STAGE/functions/train_train_charges/DIGEST/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
CREATE OR REPLACE TEMPORARY PROCEDURE TRAIN_TRAIN_CHARGES () RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' ARTIFACT_REPOSITORY = SNOWFLAKE.SNOWPARK.ANACONDA_SHARED_REPOSITORY PACKAGES = ('boto3', 'matplotlib', 'networkx', 'numpy', 'pandas==2.*', 'psutil', 'pyarrow', 'pyyaml', 'requests', 'scikit-learn', 'scipy', 'tqdm', 'snowflake-snowpark-python') IMPORTS = ('@MODEL_STAGE/functions/train_train_charges/DIGEST/snowpipe_models.zip', '@MODEL_STAGE/functions/train_train_charges/DIGEST/wheels.json', '@MODEL_STAGE/functions/train_train_charges/DIGEST/training.json', '@MODEL_STAGE/wheels/140fdd669ad8c45e/autogluon_common-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/74db0b6ce97a4bd7/autogluon_core-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/b9f4f5cb5162ab7f/autogluon_features-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/6511e7e3edf9a93b/autogluon_tabular-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/481caa481374e813/typing_extensions-4.16.0-py3-none-any.whl') HANDLER = 'snowpipe_ml.models.tabular.automl.train_procedure' EXECUTE AS CALLER;
CALL TRAIN_TRAIN_CHARGES();
-- package_charges: package the model of @model_stage/trained/charges/ at @MODEL_STAGE/models/charges/
PUT 'file://charges-<content>.zip' '@MODEL_STAGE/models/charges/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
PUT 'file://manifest.json' '@MODEL_STAGE/models/charges/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
-- deploy_charges: create PREDICT_CHARGES from the model of @MODEL_STAGE/models/charges/
PUT 'file://*' '@MODEL_STAGE/functions/predict_charges/DIGEST/'  parallel = 4 source_compression = 'AUTO_DETECT' auto_compress = False overwrite = True;
CREATE OR REPLACE FUNCTION PREDICT_CHARGES (AGE NUMBER, SEX VARCHAR, BMI FLOAT, CHILDREN NUMBER, SMOKER VARCHAR, REGION VARCHAR) COPY GRANTS RETURNS FLOAT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' ARTIFACT_REPOSITORY = SNOWFLAKE.SNOWPARK.ANACONDA_SHARED_REPOSITORY PACKAGES = ('boto3', 'matplotlib', 'networkx', 'numpy', 'pandas==2.*', 'psutil', 'pyarrow', 'pyyaml', 'requests', 'scikit-learn', 'scipy', 'tqdm') IMPORTS = ('@MODEL_STAGE/functions/predict_charges/DIGEST/snowpipe_models.zip', '@MODEL_STAGE/functions/predict_charges/DIGEST/wheels.json', '@MODEL_STAGE/functions/predict_charges/DIGEST/manifest.json', '@MODEL_STAGE/wheels/140fdd669ad8c45e/autogluon_common-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/74db0b6ce97a4bd7/autogluon_core-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/b9f4f5cb5162ab7f/autogluon_features-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/6511e7e3edf9a93b/autogluon_tabular-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/481caa481374e813/typing_extensions-4.16.0-py3-none-any.whl', '@MODEL_STAGE/models/charges/charges-<content>.zip') HANDLER = 'snowpipe_ml.models.tabular.serving.predict';
CREATE OR REPLACE FUNCTION PREDICT_CHARGES (FEATURES ARRAY) COPY GRANTS RETURNS FLOAT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' ARTIFACT_REPOSITORY = SNOWFLAKE.SNOWPARK.ANACONDA_SHARED_REPOSITORY PACKAGES = ('boto3', 'matplotlib', 'networkx', 'numpy', 'pandas==2.*', 'psutil', 'pyarrow', 'pyyaml', 'requests', 'scikit-learn', 'scipy', 'tqdm') IMPORTS = ('@MODEL_STAGE/functions/predict_charges/DIGEST/snowpipe_models.zip', '@MODEL_STAGE/functions/predict_charges/DIGEST/wheels.json', '@MODEL_STAGE/functions/predict_charges/DIGEST/manifest.json', '@MODEL_STAGE/wheels/140fdd669ad8c45e/autogluon_common-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/74db0b6ce97a4bd7/autogluon_core-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/b9f4f5cb5162ab7f/autogluon_features-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/6511e7e3edf9a93b/autogluon_tabular-1.6.3-py3-none-any.whl', '@MODEL_STAGE/wheels/481caa481374e813/typing_extensions-4.16.0-py3-none-any.whl', '@MODEL_STAGE/models/charges/charges-<content>.zip') HANDLER = 'snowpipe_ml.models.tabular.serving.predict_row';
-- predict_test: predict the rows of INSURANCE_TEST with PREDICT_CHARGES
CREATE OR REPLACE TABLE INSURANCE_PREDICTIONS WITH TAG (MODEL_ID = 'MODEL_ID') AS SELECT *, PREDICT_CHARGES(AGE::NUMBER, SEX::VARCHAR, BMI::FLOAT, CHILDREN::NUMBER, SMOKER::VARCHAR, REGION::VARCHAR) AS PREDICTION FROM INSURANCE_TEST;
-- expect_predictions: check INSURANCE_PREDICTIONS
SELECT 'not_null PREDICTION' AS "CHECK", * EXCLUDE ("_FAILS") FROM (SELECT *, (PREDICTION IS NULL
) AS "_FAILS" FROM INSURANCE_PREDICTIONS) WHERE "_FAILS"
UNION ALL
SELECT 'ranges PREDICTION' AS "CHECK", * EXCLUDE ("_FAILS") FROM (SELECT *, (PREDICTION < 0.0 OR PREDICTION > 200000.0
) AS "_FAILS" FROM INSURANCE_PREDICTIONS) WHERE "_FAILS";
ALTER TABLE INSURANCE_PREDICTIONS_FAILED SET TAG MODEL_ID = 'MODEL_ID';
-- evaluate_test: evaluate INSURANCE_PREDICTIONS by SMOKER
INSERT INTO INSURANCE_METRICS_BY_SMOKER SELECT 'RUN_ID' AS RUN_ID, 'RUN_DATE' AS RUN_DATE, SMOKER, COUNT(PREDICTION) AS ROW_COUNT, COUNT_IF(PREDICTION IS NULL) AS UNPREDICTED, SQRT(AVG(POWER((SCORED_ACTUAL - PREDICTION), 2))) AS RMSE, AVG(ABS((SCORED_ACTUAL - PREDICTION))) AS MAE, 100 * AVG(IFF(SCORED_ACTUAL = 0, NULL, ABS((SCORED_ACTUAL - PREDICTION)) / NULLIF(ABS(SCORED_ACTUAL), 0))) AS MAPE, 200 * AVG(IFF(SCORED_ACTUAL = 0 AND PREDICTION = 0, 0::FLOAT, ABS((SCORED_ACTUAL - PREDICTION)) / NULLIF(ABS(SCORED_ACTUAL) + ABS(PREDICTION), 0))) AS SMAPE, AVG(POWER((SCORED_ACTUAL - PREDICTION), 2)) AS MSE, 1 - SUM(POWER((SCORED_ACTUAL - PREDICTION), 2)) / NULLIF(VAR_POP(SCORED_ACTUAL) * COUNT(SCORED_ACTUAL), 0) AS R2, STDDEV(SCORED_ACTUAL::FLOAT) AS ACTUAL_STDDEV
FROM (SELECT *, IFF(PREDICTION IS NULL, NULL, CHARGES) AS SCORED_ACTUAL FROM INSURANCE_PREDICTIONS WHERE CHARGES IS NOT NULL)
GROUP BY ALL HAVING COUNT(*) > 0;
ALTER TABLE INSURANCE_METRICS_BY_SMOKER SET TAG MODEL_ID = 'MODEL_ID';
-- evaluate_all: evaluate INSURANCE_PREDICTIONS
INSERT INTO INSURANCE_METRICS SELECT 'RUN_ID' AS RUN_ID, 'RUN_DATE' AS RUN_DATE, COUNT(PREDICTION) AS ROW_COUNT, COUNT_IF(PREDICTION IS NULL) AS UNPREDICTED, SQRT(AVG(POWER((SCORED_ACTUAL - PREDICTION), 2))) AS RMSE, AVG(ABS((SCORED_ACTUAL - PREDICTION))) AS MAE, 100 * AVG(IFF(SCORED_ACTUAL = 0, NULL, ABS((SCORED_ACTUAL - PREDICTION)) / NULLIF(ABS(SCORED_ACTUAL), 0))) AS MAPE, 200 * AVG(IFF(SCORED_ACTUAL = 0 AND PREDICTION = 0, 0::FLOAT, ABS((SCORED_ACTUAL - PREDICTION)) / NULLIF(ABS(SCORED_ACTUAL) + ABS(PREDICTION), 0))) AS SMAPE, AVG(POWER((SCORED_ACTUAL - PREDICTION), 2)) AS MSE, 1 - SUM(POWER((SCORED_ACTUAL - PREDICTION), 2)) / NULLIF(VAR_POP(SCORED_ACTUAL) * COUNT(SCORED_ACTUAL), 0) AS R2, STDDEV(SCORED_ACTUAL::FLOAT) AS ACTUAL_STDDEV
FROM (SELECT *, IFF(PREDICTION IS NULL, NULL, CHARGES) AS SCORED_ACTUAL FROM INSURANCE_PREDICTIONS WHERE CHARGES IS NOT NULL)
GROUP BY ALL HAVING COUNT(*) > 0;
ALTER TABLE INSURANCE_METRICS SET TAG MODEL_ID = 'MODEL_ID';
ALTER TABLE INSURANCE_LEADERBOARD SET TAG MODEL_ID = 'MODEL_ID';
