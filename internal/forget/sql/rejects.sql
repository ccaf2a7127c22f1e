-- Refused events that may name somebody; what they hold decides.
SELECT id, original, message
FROM rejects FINAL
WHERE tenant = {tenant:String}
  AND arrayExists(x -> position(original, x) > 0 OR position(message, x) > 0, {spellings:Array(String)})
