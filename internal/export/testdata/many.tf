# Made by fly-aws export terraform.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

# Made by fly-aws export terraform.

variable "create_provider" {
  description = "False where something else makes the OIDC provider, of which an account has one."
  type        = bool
  default     = true
}

variable "tags" {
  description = "More tags for the OIDC provider and the roles."
  type        = map(string)
  default     = {}
}

# Made by fly-aws export terraform.
#
# Access to AWS for apps of the Fly.io organization acme.
# It is for the AWS account 123456789012.
# What belongs under [env] in each fly.toml is the output fly_env.

locals {
  tags = {
    "fly-aws:managed-by" = "terraform"
    "fly-aws:org"        = "acme"
  }

  roles = {
    web = {
      name                 = "fly-acme-web"
      path                 = "/"
      description          = "Fly.io app web of the organization acme, through OIDC. Made by fly-aws."
      max_session_duration = 3600
      permissions_boundary = null
      actions              = ["sts:AssumeRoleWithWebIdentity"]
      subjects             = ["acme:web:*"]
      conditions           = []
      tags = {
        account       = "123456789012"
        "fly-aws:app" = "web"
      }
      policies = {
        reports                                        = "arn:aws:iam::123456789012:policy/team/reports"
        "arn:aws:iam::aws:policy/job-function/reports" = "arn:aws:iam::aws:policy/job-function/reports"
      }
      inline_policies = {}
    }
    "1-api" = {
      name                 = "fly-acme-1-api"
      path                 = "/fly/"
      description          = "Fly.io app 1-api of the organization acme, through OIDC. Made by fly-aws."
      max_session_duration = 7200
      permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
      actions = [
        "sts:AssumeRoleWithWebIdentity",
        "sts:TagSession",
      ]
      subjects = [
        "acme:1-api:m-1",
        "acme:1-api:m-2",
      ]
      conditions = []
      tags = {
        "fly-aws:app" = "1-api"
      }
      policies = {}
      inline_policies = {
        own = jsonencode({
          Version = "2012-10-17"
          Statement = [
            {
              Effect   = "Allow"
              Action   = "s3:GetObject"
              Resource = "arn:aws:s3:::home-123456789012/$${aws:PrincipalTag/team}/*"
              Condition = {
                StringLike = {
                  "aws:PrincipalTag/team" = [
                    "$${*}<&>\"\\",
                    "%%{if}",
                  ]
                }
                Bool = {
                  "aws:SecureTransport" = "true"
                }
              }
            },
            {
              Effect    = "Deny"
              NotAction = "s3:*"
              Resource  = "*"
            },
          ]
        })
      }
    }
    backups = {
      name                 = "backups"
      path                 = "/"
      description          = "Apps of the Fly.io organization acme, through OIDC. Made by fly-aws."
      max_session_duration = 3600
      permissions_boundary = null
      actions              = ["sts:AssumeRoleWithWebIdentity"]
      subjects = [
        "acme:tenant-*:*",
        "acme:web:*",
      ]
      conditions = [
        {
          test     = "IpAddress"
          variable = "aws:SourceIp"
          values = [
            "192.0.2.0/24",
            "198.51.100.0/24",
          ]
        },
        {
          test     = "StringNotLike"
          variable = "oidc.fly.io/acme:sub"
          values   = ["acme:tenant-x:*"]
        },
      ]
      tags     = {}
      policies = {}
      inline_policies = {
        s3-read-backups-123456789012 = jsonencode({
          Version = "2012-10-17"
          Statement = [
            {
              Sid      = "ListBucket"
              Effect   = "Allow"
              Action   = "s3:ListBucket"
              Resource = "arn:aws:s3:::backups-123456789012"
            },
            {
              Sid      = "ReadObjects"
              Effect   = "Allow"
              Action   = "s3:GetObject"
              Resource = "arn:aws:s3:::backups-123456789012/*"
            },
          ]
        })
      }
    }
  }
}

data "aws_caller_identity" "current" {
  lifecycle {
    postcondition {
      condition     = self.account_id == "123456789012"
      error_message = "This configuration is for the AWS account 123456789012."
    }
  }
}

resource "aws_iam_openid_connect_provider" "fly" {
  count = var.create_provider ? 1 : 0

  url            = "https://oidc.fly.io/acme"
  client_id_list = ["sts.amazonaws.com"]
  tags           = merge(var.tags, local.tags)
}

locals {
  provider_arn = var.create_provider ? aws_iam_openid_connect_provider.fly[0].arn : "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    sid     = "FlyAwsAcme"
    actions = each.value.actions

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "oidc.fly.io/acme:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "oidc.fly.io/acme:sub"
      values   = each.value.subjects
    }

    dynamic "condition" {
      for_each = each.value.conditions

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }
}

resource "aws_iam_role" "app" {
  for_each = local.roles

  name                 = each.value.name
  path                 = each.value.path
  description          = each.value.description
  max_session_duration = each.value.max_session_duration
  permissions_boundary = each.value.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  tags = merge(var.tags, local.tags, {
    "fly-aws:file" = "production"
    team           = "platform"
  }, each.value.tags)
}

resource "aws_iam_role_policy_attachment" "app" {
  for_each = merge([
    for key, role in local.roles : {
      for name, arn in role.policies : "${key}/${name}" => { role = key, arn = arn }
    }
  ]...)

  role       = aws_iam_role.app[each.value.role].name
  policy_arn = each.value.arn
}

resource "aws_iam_role_policy" "app" {
  for_each = merge([
    for key, role in local.roles : {
      for name, policy in role.inline_policies : "${key}/${name}" => { role = key, name = name, policy = policy }
    }
  ]...)

  role   = aws_iam_role.app[each.value.role].name
  name   = each.value.name
  policy = each.value.policy
}

# Made by fly-aws export terraform.

output "role_arns" {
  description = "The ARN of each role."
  value       = { for key, role in aws_iam_role.app : key => role.arn }
}

output "fly_env" {
  description = "What belongs under [env] in each app's fly.toml."
  value = {
    "1-api" = {
      AWS_ROLE_ARN = aws_iam_role.app["1-api"].arn
    }
    "tenant-*" = {
      AWS_ROLE_ARN = aws_iam_role.app["backups"].arn
    }
    web = {
      AWS_REGION   = "eu-west-1"
      AWS_ROLE_ARN = aws_iam_role.app["web"].arn
      BACKUP_ROLE  = aws_iam_role.app["backups"].arn
    }
  }
}
