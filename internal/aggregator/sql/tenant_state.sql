-- The model's state after a day.
SELECT state
FROM tenant_days FINAL
WHERE tenant = {tenant:String} AND config = {config:String} AND day = {day:Date}
