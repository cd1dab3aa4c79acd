"""Authentication by tokens: valid tokens in every place, and invalid tokens."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from support import UPGRADE, eventually

SECRET = "a secret that is long enough for each hash there is, the longest too"
PRIVATE = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def claims(**more):
    tomorrow = int(time.time()) + 86400  # some are made when the suite is read, long before they are used
    return {"sub": "ada", "aud": "chat", "iss": "https://id.example.com", "exp": tomorrow} | more


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def public(algorithm):
    return pem(PRIVATE[algorithm])


def private(algorithm):
    form, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return PRIVATE[algorithm].private_bytes(serialization.Encoding.PEM, form, no)


def jwk(algorithm, key=None, **more):
    """The public part of a key as a JSON Web Key."""
    kind = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm}
    text = kind[algorithm].to_jwk((key or PRIVATE[algorithm]).public_key())
    return json.loads(text) | more


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unsigned(header, body):
    """An unsigned token of two objects. A string is used as it is, for JSON that a library would not write."""
    encode = lambda part: base64url((part if isinstance(part, str) else json.dumps(part)).encode())
    return f"{encode(header)}.{encode(body)}"


def by_hand(header, body, secret=SECRET):
    """A token of objects or strings, signed with HS256."""
    signed = unsigned(header, body)
    return f"{signed}.{base64url(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def told(host, path="/doorman/", **options):
    return json.loads(host.connect(path, **options).ask("scope"))


def bearer(token):
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def answer(host, token):
    """The response to a handshake with this token."""
    raw = host.tcp()
    raw.request("/doorman/", headers=UPGRADE | {"Authorization": f"Bearer {token}"})
    return raw.response()


@pytest.fixture(scope="module")
def serving_users(serving, tmp_path_factory):
    """Starts a host that authenticates users by key files."""

    def start(keys, required=False, **table):
        folder = tmp_path_factory.mktemp("keys")
        for key, text in keys.items():
            file = folder / key
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            table[key] = str(file)
        return serving("doorman", top={"users": {"required": required, "jwt": table}}, log="debug")

    return start


EVERYWHERE = ["header", "cookie:session", "query:token", "subprotocol"]


@pytest.fixture(scope="module")
def secret(serving_users):
    settings = {"algorithms": ["HS256"], "audience": "chat", "issuer": "https://id.example.com"}
    with serving_users({"secret_file": SECRET + "\n"}, **settings, **{"from": EVERYWHERE}) as host:
        yield host


def test_the_claims_of_a_token_are_the_scopes_user(secret):
    token = jwt.encode(claims(roles=["admin"]), SECRET, "HS256")
    user = json.loads(told(secret, **bearer(token))["user"])
    assert (user["sub"], user["roles"]) == ("ada", ["admin"])


def test_a_token_is_found_in_each_place(secret):
    token = jwt.encode(claims(), SECRET, "HS256")
    cookie = {"additional_headers": {"Cookie": f"theme=dark; session={token}; x=y"}}
    in_query = told(secret, f"/doorman/?a=b&token={token}")
    in_protocol = told(secret, "/doorman/?subprotocol=chat", subprotocols=["chat", f"bearer.{token}"])
    for scope in [told(secret, **cookie), in_query, in_protocol]:
        assert json.loads(scope["user"])["sub"] == "ada"
    assert in_protocol["subprotocols"] == ["chat"]


def test_without_a_token_nobody_is_known(secret):
    assert told(secret)["user"] is None


def test_a_handshake_without_a_token_is_answered_401_if_users_are_required(serving_users):
    with serving_users({"secret_file": SECRET}, required=True, algorithms=["HS256"]) as host:
        raw = host.tcp()
        raw.request("/doorman/")
        refused = raw.response()
        assert (refused.status, refused.header("www-authenticate")) == (401, "Bearer")
        token = jwt.encode({"exp": int(time.time()) + 60}, SECRET, "HS256")
        assert told(host, **bearer(token))["user"] is not None


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_public_keys_of_each_kind_are_known(serving_users, algorithm):
    token = jwt.encode(claims(), PRIVATE[algorithm], algorithm)
    with serving_users({"key_file": public(algorithm)}, algorithms=[algorithm], audience="chat") as host:
        assert json.loads(told(host, **bearer(token))["user"])["sub"] == "ada"


FORGED = {
    "expired": (jwt.encode(claims(exp=int(time.time()) - 3600), SECRET, "HS256"), "expired"),
    "not yet valid": (jwt.encode(claims(nbf=int(time.time()) + 43200), SECRET, "HS256"), "not valid yet"),
    "without an end": (jwt.encode({k: v for k, v in claims().items() if k != "exp"}, SECRET, "HS256"), "lacks"),
    "for another audience": (jwt.encode(claims(aud="mail"), SECRET, "HS256"), "another audience"),
    "for no audience": (jwt.encode({k: v for k, v in claims().items() if k != "aud"}, SECRET, "HS256"), "lacks"),
    "of another issuer": (jwt.encode(claims(iss="https://evil.org"), SECRET, "HS256"), "unknown issuer"),
    "of another key": (jwt.encode(claims(), SECRET[::-1], "HS256"), "unknown key or algorithm"),
    "by an algorithm that is not allowed": (jwt.encode(claims(), SECRET, "HS512"), "unknown key or algorithm"),
    "of no algorithm": (unsigned({"alg": "none", "typ": "JWT"}, claims()) + ".", ""),
    "of no algorithm, in capitals": (unsigned({"alg": "NONE"}, claims()) + ".", ""),
    "without a signature": (jwt.encode(claims(), SECRET, "HS256").rsplit(".", 1)[0] + ".", "unknown key or algorithm"),
    "of changed claims": (
        unsigned({"alg": "HS256"}, claims(sub="root")) + "." + jwt.encode(claims(), SECRET, "HS256").split(".")[2],
        "unknown key or algorithm",
    ),
    "nonsense": ("nonsense", ""),
    "dots": ("..", ""),
    "of five parts": (jwt.encode(claims(), SECRET, "HS256") + ".e30.e30", ""),
    "with padding": (by_hand({"alg": "HS256"}, claims()) + "=", ""),
    "that has an end twice": (by_hand({"alg": "HS256"}, json.dumps(claims())[:-1] + ', "exp": 9999999999}'), "cannot be read"),
    "that has an algorithm twice": (by_hand('{"alg": "HS256", "alg": "HS256"}', claims()), "cannot be read"),
    "whose end is text": (by_hand({"alg": "HS256"}, claims(exp="9999999999")), "claim exp of the token has the wrong type"),
    "whose end is null": (by_hand({"alg": "HS256"}, claims(exp=None)), "claim exp of the token has the wrong type"),
    "whose end was before 1970": (by_hand({"alg": "HS256"}, claims(exp=-1.5)), "expired"),
    "whose beginning is a list": (by_hand({"alg": "HS256"}, claims(nbf=[0])), "claim nbf of the token has the wrong type"),
    "for nobody": (by_hand({"alg": "HS256"}, claims(aud=[])), "another audience"),
    "for null": (by_hand({"alg": "HS256"}, claims(aud=None)), "claim aud of the token has the wrong type"),
    "of several issuers": (by_hand({"alg": "HS256"}, claims(iss=["https://id.example.com"])), "claim iss of the token has the wrong type"),
}


@pytest.mark.parametrize("way", FORGED)
def test_a_forged_token_is_answered_401(secret, way):
    token, words = FORGED[way]
    refused = answer(secret, token)
    assert refused.status == 401
    assert words in refused.body.decode()


CRITICAL = {
    "not known": {"crit": ["x"], "x": 1},
    "that is missing": {"crit": ["x"]},
    "that RFC 7797 has": {"crit": ["b64"], "b64": True},
    "that RFC 7515 forbids": {"crit": ["alg"]},
    "none": {"crit": []},
    "null": {"crit": None},
    "of RFC 7797, which the token hides": {"b64": False},
}


@pytest.mark.parametrize("what", CRITICAL)
def test_rfc_7515_4_1_11_a_token_with_an_extension_is_invalid(secret, what):
    refused = answer(secret, by_hand({"alg": "HS256"} | CRITICAL[what], claims()))
    assert (refused.status, "extension" in refused.body.decode()) == (401, True)


def test_rfc_7797_a_token_whose_payload_is_not_encoded_is_invalid(secret):
    signed = base64url(b'{"alg":"HS256","b64":false,"crit":["b64"]}') + "." + json.dumps(claims()).replace(" ", "")
    code = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    assert answer(secret, f"{signed}.{base64url(code)}").status == 401


BELIEVED = {
    "a fraction": claims(exp=time.time() + 86400.25, iat=time.time() - 1.5, nbf=time.time() - 1.4),
    "far in the future": claims(exp=1e300),
    "a beginning before 1970": claims(nbf=-1e9),
    "a list of audiences": claims(aud=["mail", "chat"]),
    "a subject that is a number": claims(sub=7),
}


@pytest.mark.parametrize("what", BELIEVED)
def test_rfc_7519_claims_of_each_form_are_believed(secret, what):
    assert answer(secret, by_hand({"alg": "HS256"}, BELIEVED[what])).status == 101


def test_rfc_7519_2_clocks_may_differ_by_the_leeway(secret):
    now = int(time.time())
    assert answer(secret, by_hand({"alg": "HS256"}, claims(exp=now - 1))).status == 101
    assert answer(secret, by_hand({"alg": "HS256"}, claims(nbf=now + 20))).status == 101
    assert answer(secret, by_hand({"alg": "HS256"}, claims(exp=now - 31))).status == 401
    assert answer(secret, by_hand({"alg": "HS256"}, claims(nbf=now + 3600))).status == 401


def test_claims_reach_a_consumer_as_the_token_says_them(secret):
    text = json.dumps(claims())[:-1] + ', "number": 123456789012345678901234567890}'
    assert told(secret, **bearer(by_hand({"alg": "HS256"}, text)))["user"] == text


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "at+jwt"},
        {"cty": "x", "kid": "any"},
        {"jku": "https://evil.example/keys", "x5u": 7, "x5c": "no list", "x5t": None, "jwk": {"kty": "AKP"}},
    ],
)
def test_rfc_7515_4_1_other_parameters_do_not_matter(secret, header):
    assert answer(secret, by_hand({"alg": "HS256"} | header, claims())).status == 101


def test_rfc_7515_4_1_3_a_key_that_a_token_brings_is_not_believed(serving_users):
    mine = rsa.generate_private_key(65537, 2048)
    for header in [{"jwk": jwk("RS256", mine)}, {"jwk": jwk("RS256", mine, kid="good"), "kid": "good"}]:
        keys = {"jwks_file": json.dumps({"keys": [jwk("RS256", kid="good")]})}
        with serving_users(keys, algorithms=["RS256"], audience="chat") as host:
            assert answer(host, jwt.encode(claims(), mine, "RS256", headers=header)).status == 401


def test_rfc_7517_4_2_to_4_4_a_key_for_encryption_checks_no_signature(serving_users):
    other = rsa.generate_private_key(65537, 2048)
    for marks in [{"use": "enc", "alg": "RSA-OAEP"}, {"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "RSA-OAEP"}, {"alg": "PS256"}]:
        keys = [jwk("RS256", other, kid="other", key_ops=None) | marks, jwk("RS256", kid="good", use="sig", alg="RS256", key_ops=None)]
        with serving_users({"jwks_file": json.dumps({"keys": keys})}, algorithms=["RS256"], audience="chat") as host:
            by = lambda key, **header: answer(host, jwt.encode(claims(), key, "RS256", headers=header)).status
            assert by(PRIVATE["RS256"]) == by(PRIVATE["RS256"], kid="good") == 101, marks
            assert by(other) == by(other, kid="other") == 401, marks


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_rfc_7515_6_each_key_that_a_token_may_mean_is_tried(serving_users, algorithm):
    make = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    first, second, third = (make[algorithm]() for _ in range(3))
    named = [jwk(algorithm, first, kid="a"), jwk(algorithm, second, kid="b"), jwk(algorithm, third, kid="b")]
    with serving_users({"jwks_file": json.dumps({"keys": named})}, algorithms=[algorithm], audience="chat") as host:
        by = lambda key, **header: answer(host, jwt.encode(claims(), key, algorithm, headers=header)).status
        assert [by(key) for key in (first, second, third)] == [101] * 3, "no name"
        assert [by(key, kid="b") for key in (first, second, third)] == [401, 101, 101], "two of one name"
        assert by(make[algorithm]()) == 401
    unnamed = [jwk(algorithm, first), jwk(algorithm, second)]
    with serving_users({"jwks_file": json.dumps({"keys": unnamed})}, algorithms=[algorithm], audience="chat") as host:
        by = lambda key, **header: answer(host, jwt.encode(claims(), key, algorithm, headers=header)).status
        assert by(first) == by(second) == by(second, kid="x") == 101


STRANGE = [
    {"kty": "AKP", "alg": "ML-DSA-44", "kid": "good", "pub": "AAAA"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "good"},
    {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "good"},
    {"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA", "kid": "good"},
    {"kty": "oct", "k": base64url(SECRET.encode()), "kid": "good"},
    {"kid": "good"},
    7,
]


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_rfc_7517_5_keys_that_are_not_understood_are_passed_over(serving_users, algorithm):
    keys = {"jwks_file": json.dumps({"keys": STRANGE + [jwk(algorithm, kid="good", x5c=["MIIB"])]})}
    with serving_users(keys, algorithms=list(PRIVATE), audience="chat") as host:
        good = lambda key: jwt.encode(claims(), key, algorithm, headers={"kid": "good"})
        assert answer(host, good(PRIVATE[algorithm])).status == 101
        assert answer(host, jwt.encode(claims(), SECRET, "HS256", headers={"kid": "good"})).status == 401
        forged = unsigned({"alg": "EdDSA", "kid": "good"}, claims()) + "." + base64url(bytes(64))
        assert answer(host, forged).status == 401


def test_a_public_key_is_not_taken_for_a_secret(serving_users):
    with serving_users({"key_file": public("RS256")}, algorithms=["RS256"]) as host:
        signed = unsigned({"alg": "HS256", "typ": "JWT"}, {"sub": "ada", "exp": int(time.time()) + 60})
        code = hmac.new(public("RS256"), signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{base64.urlsafe_b64encode(code).rstrip(b'=').decode()}"
        assert answer(host, token).status == 401


def test_a_set_of_keys_is_read_anew_when_it_changes(serving, tmp_path):
    file = tmp_path / "keys.json"
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    file.write_text(json.dumps({"keys": [jwk("ES256", old, kid="old"), jwk("RS256", kid="rsa")]}))
    table = {"jwks_file": str(file), "algorithms": ["ES256", "RS256"], "audience": "chat"}
    with serving("doorman", top={"users": {"jwt": table}}) as host:
        by = lambda key, kid, algorithm="ES256": jwt.encode(claims(), key, algorithm, headers={"kid": kid})
        assert answer(host, by(old, "old")).status == 101
        assert answer(host, by(PRIVATE["RS256"], "rsa", "RS256")).status == 101
        assert answer(host, by(new, "new")).status == 401
        file.write_text(json.dumps({"keys": [jwk("ES256", new, kid="new")]}))
        eventually(lambda: answer(host, by(new, "new")).status == 101, "the new key")
        assert answer(host, by(old, "old")).status == 401
        file.write_text("spoilt")
        host.logged("cannot reload the keys of tokens; they stay as they were")
        assert answer(host, by(new, "new")).status == 101


@pytest.mark.parametrize(
    ("keys", "table", "hint"),
    [
        ({"secret_file": "short"}, {"algorithms": ["HS256"]}, "at least 32 bytes"),
        ({"key_file": "x"}, {"algorithms": ["EdDSA"]}, "is not a public key"),
        ({"jwks_file": "{}"}, {"algorithms": ["EdDSA"]}, "is not a set of keys"),
        ({"jwks_file": '{"keys": []}'}, {"algorithms": ["EdDSA"]}, "has no public key"),
        ({"key_file": public("RS256")}, {"algorithms": ["ES256", "EdDSA"]}, "for signatures by ES256, EdDSA"),
        ({"jwks_file": json.dumps({"keys": [jwk("RS256", use="enc")]})}, {"algorithms": ["RS256"]}, "has no public key"),
        ({"jwks_file": json.dumps({"keys": [jwk("EdDSA")] * 65})}, {"algorithms": ["EdDSA"]}, "at most 64 are allowed"),
        ({"key_file": pem(rsa.generate_private_key(65537, 1024))}, {"algorithms": ["RS256"]}, "2048 to 4096 bits, this one has 1024"),
        ({"key_file": pem(ec.generate_private_key(ec.SECP384R1()))}, {"algorithms": ["ES256"]}, "is not a public key"),
        ({"key_file": pem(ec.generate_private_key(ec.SECP256K1()))}, {"algorithms": ["ES256"]}, "is not a public key"),
        ({"key_file": private("EdDSA")}, {"algorithms": ["EdDSA"]}, "is a private key"),
        ({"key_file": public("EdDSA")}, {"algorithms": ["HS256"]}, "must be some of"),
        ({"secret_file": SECRET}, {"algorithms": ["RS256"]}, "the only algorithm with a secret"),
        ({"secret_file": SECRET}, {"algorithms": []}, "the only algorithm with a secret"),
        ({"secret_file": SECRET}, {"algorithms": ["none"]}, "unknown value"),
        ({"secret_file": SECRET}, {"algorithms": ["HS256"], "from": ["body"]}, "is not a place"),
        ({}, {"algorithms": ["HS256"]}, "needs exactly one of"),
    ],
)
def test_an_invalid_setting_of_jwt_is_refused_at_start(narrowboat, tmp_path, keys, table, hint):
    for key, text in keys.items():
        (tmp_path / key).write_bytes(text if isinstance(text, bytes) else text.encode())
        table = table | {key: key}
    config = tmp_path / "narrowboat.toml"
    rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    config.write_text(f"[users.jwt]\n{rows}")
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert hint in result.stderr, result.stderr
