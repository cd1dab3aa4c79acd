"""Ed25519 keys and signatures from an independent implementation."""

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PEM = serialization.Encoding.PEM
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def signature_of(file):
    """The path of a file's signature."""
    return file.with_name(file.name + ".sig")


def rsa_key():
    """A public RSA key."""
    return rsa.generate_private_key(65537, 2048).public_key().public_bytes(PEM, PUBLIC)


class Signer:
    """A signer of components, with key files in a folder."""

    def __init__(self, folder, name):
        self._key = Ed25519PrivateKey.generate()
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub"
        form, protection = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.private.write_bytes(self._key.private_bytes(PEM, form, protection))
        self.private.chmod(0o600)
        self.public.write_bytes(self._key.public_key().public_bytes(PEM, PUBLIC))

    def signature(self, component):
        return self._key.sign(component)

    def sign(self, file):
        """Signs the content of a file and returns the path of the signature."""
        beside = signature_of(file)
        beside.write_bytes(self.signature(file.read_bytes()))
        return beside

    def header(self, component):
        """The upload header with the signature of a component."""
        return {"Narrowboat-Signature": base64.b64encode(self.signature(component)).decode()}
