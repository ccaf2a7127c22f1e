-- With which cap the tenant's daily inputs were counted.
SELECT counted_max FROM score_inputs FINAL WHERE tenant = {tenant:String}
