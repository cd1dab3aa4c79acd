"""Who somebody is: tokens that are believed, wherever a handshake has them, and all those that are not."""

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


def public(algorithm):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return PRIVATE[algorithm].public_key().public_bytes(serialization.Encoding.PEM, form)


def jwk(algorithm, key=None, **more):
    """The public part of a key, as a set has it."""
    kind = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm}
    text = kind[algorithm].to_jwk((key or PRIVATE[algorithm]).public_key())
    return json.loads(text) | more


def unsigned(header, body):
    encode = lambda part: base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
    return f"{encode(header)}.{encode(body)}"


def told(host, path="/doorman/", **options):
    return json.loads(host.connect(path, **options).ask("scope"))


def bearer(token):
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def answer(host, token):
    """How a handshake with this token is answered."""
    raw = host.tcp()
    raw.request("/doorman/", headers=UPGRADE | {"Authorization": f"Bearer {token}"})
    return raw.response()


@pytest.fixture(scope="module")
def serving_users(serving, tmp_path_factory):
    """Starts a host whose users come by a file of keys."""

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


def test_where_users_are_required_a_handshake_without_a_token_is_answered_401(serving_users):
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
    "for another audience": (jwt.encode(claims(aud="mail"), SECRET, "HS256"), "somebody else"),
    "for no audience": (jwt.encode({k: v for k, v in claims().items() if k != "aud"}, SECRET, "HS256"), "lacks"),
    "of another issuer": (jwt.encode(claims(iss="https://evil.org"), SECRET, "HS256"), "not known"),
    "of another key": (jwt.encode(claims(), SECRET[::-1], "HS256"), "not known"),
    "by an algorithm that is not allowed": (jwt.encode(claims(), SECRET, "HS512"), "not known"),
    "of no algorithm": (unsigned({"alg": "none", "typ": "JWT"}, claims()) + ".", ""),
    "of no algorithm, in capitals": (unsigned({"alg": "NONE"}, claims()) + ".", ""),
    "without a signature": (jwt.encode(claims(), SECRET, "HS256").rsplit(".", 1)[0] + ".", "not known"),
    "of changed claims": (
        unsigned({"alg": "HS256"}, claims(sub="root")) + "." + jwt.encode(claims(), SECRET, "HS256").split(".")[2],
        "not known",
    ),
    "nonsense": ("nonsense", ""),
    "dots": ("..", ""),
}


@pytest.mark.parametrize("way", FORGED)
def test_a_forged_token_is_answered_401(secret, way):
    token, words = FORGED[way]
    refused = answer(secret, token)
    assert refused.status == 401
    assert words in refused.body.decode()


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
        host.logged("the keys stay")
        assert answer(host, by(new, "new")).status == 101


@pytest.mark.parametrize(
    ("keys", "table", "hint"),
    [
        ({"secret_file": "short"}, {"algorithms": ["HS256"]}, "at least 32 bytes"),
        ({"key_file": "x"}, {"algorithms": ["EdDSA"]}, "is no public key"),
        ({"jwks_file": "{}"}, {"algorithms": ["EdDSA"]}, "is no set of keys"),
        ({"jwks_file": '{"keys": []}'}, {"algorithms": ["EdDSA"]}, "has no public key"),
        ({"key_file": public("EdDSA")}, {"algorithms": ["HS256"]}, "must be some of"),
        ({"secret_file": SECRET}, {"algorithms": ["RS256"]}, "the one by a secret"),
        ({"secret_file": SECRET}, {"algorithms": []}, "the one by a secret"),
        ({"secret_file": SECRET}, {"algorithms": ["none"]}, "unknown variant"),
        ({"secret_file": SECRET}, {"algorithms": ["HS256"], "from": ["body"]}, "is no place"),
        ({}, {"algorithms": ["HS256"]}, "needs one of"),
    ],
)
def test_what_cannot_be_meant_is_told_at_the_start(narrowboat, tmp_path, keys, table, hint):
    for key, text in keys.items():
        (tmp_path / key).write_bytes(text if isinstance(text, bytes) else text.encode())
        table = table | {key: key}
    config = tmp_path / "narrowboat.toml"
    rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    config.write_text(f"[users.jwt]\n{rows}")
    result = narrowboat("serve", "--config", config)
    assert result.returncode == 2
    assert hint in result.stderr, result.stderr
