-- The explanation of the newest scores, for BI tools. ${BI} is clickhouse.bi_database.
CREATE OR REPLACE VIEW ${BI}.explanation
(
    tenant        LowCardinality(String) COMMENT 'Whose programme',
    model_version LowCardinality(String) COMMENT 'Version of the model',
    partner_id    String COMMENT 'The partner',
    as_of         Date COMMENT 'Day of the newest score, in the tenant''s time zone',
    component     String COMMENT 'activity, content, training, pipeline or sentiment',
    segment       String COMMENT 'Segment of the partner on the day; empty: none',
    sub_score     Decimal(9, 3) COMMENT 'Sub-score, 0-100',
    points        Decimal(18, 6) COMMENT 'Weight times sub-score; over the components they sum to the score',
    imputed       UInt8 COMMENT '1: the tenant sends no such events, the segment''s median stands in',
    comparable    UInt8 COMMENT '1: there is a score on the day and seven days before, so that the change is one of scores',
    points_before Decimal(18, 6) COMMENT 'Points seven days before; 0 when the partner was not there',
    decay_loss    Decimal(18, 6) COMMENT 'Change of the points because what was done until then is older now',
    new_activity  Decimal(18, 6) COMMENT 'Change of the points by what was done since',
    bar_change    Decimal(18, 6) COMMENT 'Change of the points because of another segment, commitment or feed; with the two before it is points less points_before'
)
AS
SELECT
    tenant, model_version, partner_id, as_of, component, segment, sub_score, points, imputed, comparable, points_before,
    decay_loss, new_activity, bar_change
FROM explanation
COMMENT 'The newest score of every partner and model, a row for each component: its points, and why they changed in seven days';
