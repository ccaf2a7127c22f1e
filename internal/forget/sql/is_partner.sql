tenant = {tenant:String} AND partner_id = {id:String}
