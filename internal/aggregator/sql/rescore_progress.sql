-- How far a recomputation has come.
SELECT after_partner AS after_id, partners AS done_partners, score_rows AS done_rows, finished, ver AS page
FROM rescore_progress FINAL
WHERE tenant = {tenant:String} AND model_version = {model:String} AND from_day = {from:Date} AND to_day = {to:Date}
