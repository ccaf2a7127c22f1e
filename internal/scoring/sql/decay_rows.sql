-- How many decay weights are stored.
SELECT count() AS rows FROM score_decay FINAL WHERE half_lives = {half_lives:String}
