# Calls STS with the role and the token file of the environment, and prints who AWS says it is
# and with which key, each time the file has another token: web_identity.py CALLS
import os
import sys
import time

import botocore.session

session = botocore.session.Session()
sts = session.create_client("sts")
last = ""
for _ in range(int(sys.argv[1])):
    while open(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read() == last:
        time.sleep(0.02)
    last = open(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read()
    print(sts.get_caller_identity()["Arn"], session.get_credentials().access_key)
