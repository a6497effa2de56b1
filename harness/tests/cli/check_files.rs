//! AuthenticationConfigurations for `authlab check`: with mistakes, and sound.

/// Mistakes with which an API server starts, each in an entry of its own; `#!` names the findings on its line.
pub(crate) const MISTAKES: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://email.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: email, prefix: 'a:'}
  claimValidationRules:
  - {claim: email_verified, requiredValue: 'true'} #! required-value-is-not-boolean
- issuer: {url: https://required.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'b:'}
  claimValidationRules:
  - {claim: email_verified, requiredValue: 'true'} #! required-value-is-not-boolean
- issuer: {url: https://no-value.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'c:'}
  claimValidationRules:
  - claim: hd #! rule-without-value
- issuer: {url: https://dash.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: '-'} #! dash-as-prefix
- issuer: {url: https://boolean.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: 'true'} #! user-name-is-not-text
- issuer: {url: https://groups.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'd:'}
    groups: {expression: 'dyn(claims.groups).map(g, \"d:\" + g)'} #! missing-groups-refused
- issuer:
    url: https://slash.example.com/ #! slash-at-issuers-end
    audiences: [kubernetes]
  claimMappings:
    username: {claim: sub, prefix: 'e:'}
- issuer: {url: https://system.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: ''} #! system-name-accepted
    groups: {claim: groups, prefix: ''} #! system-group-accepted
- issuer: {url: https://unverified.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: 'claims.email_verified || true ? \"f:\" + claims.email : claims.sub'} #! unverified-email-accepted
- issuer: {url: https://bare.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: claims.sub} #! no-prefix same-name-from-two-issuers
  userValidationRules:
  - expression: \"!user.username.startsWith('system:')\"
- issuer: {url: https://list.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'h:'}
    groups: {claim: groups, prefix: 'h:'}
  claimValidationRules:
  - {claim: groups, requiredValue: admins} #! required-value-is-not-list
- issuer: {url: https://masters.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'i:'}
    groups: {expression: \"['system:masters']\"} #! system-group-accepted
- issuer: {url: https://prefix.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'j:'}
    groups: {claim: groups, prefix: 'system:'} #! system-group-accepted
- issuer: {url: https://local-part.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: \"claims.email_verified ? claims.email.split('@')[0] : ''\"} #! system-name-accepted same-name-from-two-issuers
- issuer: {url: https://local-parts.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: \"claims.email_verified ? claims.email.split('@')[0] : ''\"} #! no-prefix same-name-from-two-issuers
  userValidationRules:
  - expression: \"!user.username.startsWith('system:')\"
- issuer: {url: https://contradiction.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'k:'}
    groups: {claim: groups, prefix: 'k:'}
  userValidationRules:
  - expression: \"'admins' in user.groups\" #! every-token-refused
- issuer: {url: https://split.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'l:'}
    groups: {expression: \"claims.roles.split(',')\"} #! every-token-refused
- issuer: {url: https://kubernetes.default.svc.cluster.local, audiences: [kubernetes]} #! issuer-of-service-accounts
  claimMappings:
    username: {claim: sub, prefix: 'm:'}
- issuer: {url: https://unknown.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'g:'}
  claimValidationRules:
  - expression: 'claims.code.matches(\"^[0-9]{6}-x$\")' #! no-accepted-token
--- #! second-document-ignored
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
";

/// Mistakes with which an API server does not start, told at once.
pub(crate) const REFUSED: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: http://a.example.com, audiences: [kubernetes]} #! does-not-start
  claimMappings:
    username: {claim: sub} #! does-not-start
- issuer: {url: https://b.example.com, audiences: []} #! does-not-start
  claimMappings:
    username: {expression: claims.email} #! does-not-start
- issuer: {url: https://c.example.com, audiences: [kubernetes, other]} #! does-not-start
  claimMappings:
    username: {expression: claims.sub, prefix: 'c:'} #! does-not-start
- issuer: {url: https://d.example.com, audiences: [kubernetes], discoveryURL: https://d.example.com} #! does-not-start
  claimMappings:
    username: {expression: 'claims.sub +'} #! does-not-start
- issuer: {url: https://e.example.com, audiences: [kubernetes], certificateAuthority: /etc/ca.crt} #! does-not-start
  claimMappings:
    username: {expression: claim.sub} #! does-not-start
    extra:
    - {key: example.com/Team, valueExpression: claims.team} #! does-not-start
    - {key: kubernetes.io/team, valueExpression: claims.team} #! does-not-start
- issuer: {url: https://e.example.com, audiences: [kubernetes]} #! does-not-start
  claimMappings:
    username: {claim: sub, prefix: 'e:'}
";

/// Sound configurations, one entry each.
pub(crate) const SOUND: &str = "\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://login.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: email, prefix: ''}
- issuer: {url: https://verified.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: \"claims.email_verified == true ? 'a:' + claims.email : 'a:' + claims.sub\"}
    groups: {expression: \"dyn(claims.?groups.orValue([])).map(g, 'a:' + g)\"}
- issuer: {url: https://prefixed.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: preferred_username, prefix: 'b:'}
    groups: {claim: groups, prefix: 'b:'}
    uid: {claim: sub}
  claimValidationRules:
  - {claim: hd, requiredValue: example.com}
  - {expression: claims.exp - claims.nbf <= 86400, message: lives too long}
- issuer: {url: https://token.actions.githubusercontent.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'github:'}
    groups: {expression: \"['github:' + claims.repository]\"}
    extra:
    - {key: example.com/ref, valueExpression: claims.ref}
  claimValidationRules:
  - {expression: 'claims.repository_owner == \"acme\"'}
- issuer: {url: https://gitlab.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'gitlab:'}
  claimValidationRules:
  - {claim: ref_protected, requiredValue: 'true'}
- issuer: {url: https://sts.windows.net/3f0c1d9e-7c1b-4b52-9a53-0c8a7f6f2b11/, audiences: ['api://kubernetes']}
  claimMappings:
    username: {claim: oid, prefix: 'entra:'}
    groups: {claim: groups, prefix: ''}
  userValidationRules:
  - expression: \"user.groups.all(g, !g.startsWith('system:'))\"
- issuer: {url: https://keycloak.example.com/realms/acme, audiences: [kubernetes]}
  claimMappings:
    username: {expression: \"'keycloak:' + claims.sub\"}
    groups: {expression: \"claims.?realm_access.roles.orValue([]).map(r, 'keycloak:' + r)\"}
  claimValidationRules:
  - {expression: \"dyn(claims.?groups.orValue(['staff'])).exists(g, g == 'staff')\"}
- issuer: {url: https://steered.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'c:'}
    groups: {expression: \"claims.ref_protected == 'true' ? ['c:' + claims.project_path] : []\"}
  claimValidationRules:
  - {claim: ref_protected, requiredValue: 'true'}
- issuer: {url: https://service-accounts.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {expression: \"'d:' + claims['kubernetes.io'].serviceaccount.name\"}
- issuer: {url: https://demanding.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'e:'}
    groups: {claim: groups, prefix: 'e:'}
  claimValidationRules:
  - {expression: \"size(claims.groups) > 0 && 'k8s-users' in claims.groups\"}
- issuer: {url: https://of-users.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: email, prefix: 'f:'}
    groups: {expression: \"claims.?roles.orValue('').split(',').map(r, 'f:' + r)\"}
  userValidationRules:
  - {expression: \"user.groups.exists(g, g == 'f:admins')\"}
  - {expression: \"user.username.endsWith('@corp.example')\"}
- issuer: {url: https://joined.example.com, audiences: [kubernetes]}
  claimMappings:
    username: {claim: sub, prefix: 'g:'}
    groups: {expression: \"has(claims.org) && has(claims.role) ? ['g:' + claims.org + ':' + claims.role] : []\"}
";
