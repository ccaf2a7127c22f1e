tenant = {tenant:String} AND
(
    has({ids:Array(String)}, user_id)
    OR user_id = '' AND has({visitors:Array(String)}, anonymous_id)
    OR type = 'user.upserted' AND has({ids:Array(String)}, JSONExtractString(data, 'user_id'))
)
