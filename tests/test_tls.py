"""What a sink trusts and shows, and which file is to blame when it cannot."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from weatherd.errors import ConfigError
from weatherd.tls import tls_context


class Files:
    """A folder with certificates, good and bad."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        own, other = authority.issue_cert("station"), authority.issue_cert("another")
        self.ca = self.write("ca.pem", authority.cert_pem.bytes())
        self.cert = self.write("cert.pem", own.cert_chain_pems[0].bytes())
        self.key = self.write("key.pem", own.private_key_pem.bytes())
        self.both = self.write("both.pem", own.private_key_and_cert_chain_pem.bytes())
        self.other_key = self.write("other-key.pem", other.private_key_pem.bytes())
        self.note = self.write("note.txt", b"the key is under the mat")
        self.damaged = self.write("damaged.pem", b"-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n")
        key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
        self.locked_key = self.write(
            "locked-key.pem",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"open sesame"),
            ),
        )
        self.damaged_key = self.write(
            "damaged-key.pem", b"-----BEGIN PRIVATE KEY-----\nZm9v\n-----END PRIVATE KEY-----\n"
        )

    def write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_without_files_the_system_is_trusted() -> None:
    """The context checks certificates and names, and speaks TLS 1.2 or later."""
    context = tls_context()

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_ca_file_is_trusted_alone(files: Files) -> None:
    """With a file of authorities, those of the system are not trusted."""
    assert len(tls_context(files.ca).get_ca_certs()) == 1


def test_key_and_certificate_may_share_a_file(files: Files) -> None:
    """A key is looked for in cert_file when there is no key_file."""
    tls_context(files.ca, files.both)
    tls_context(files.ca, files.cert, files.key)


@pytest.mark.parametrize(
    ("ca", "cert", "key", "sentence"),
    [
        ("note", None, None, r"tls\.ca_file: .*note\.txt holds no certificate$"),
        ("key", None, None, r"tls\.ca_file: .*key\.pem holds no certificate$"),
        ("damaged", None, None, r"tls\.ca_file: .*damaged\.pem holds a damaged certificate$"),
        (None, "note", "key", r"tls\.cert_file: .*note\.txt holds no certificate$"),
        (None, "key", "cert", r"tls\.cert_file: .*\ntls\.key_file: .*cert\.pem holds no private key$"),
        (None, "cert", None, r"tls\.cert_file: .*cert\.pem holds no private key$"),
        (None, "cert", "note", r"tls\.key_file: .*note\.txt holds no private key$"),
        (None, "cert", "other_key", r"in .*other-key\.pem does not match the certificate in .*cert\.pem$"),
        (None, "cert", "damaged_key", r"in .*damaged-key\.pem cannot be used with the cert.* in .*cert\.pem$"),
        (None, "cert", "locked_key", r"tls\.key_file: .*locked-key\.pem .* wants a pass phrase"),
        (None, None, "key", r"tls\.key_file: is of no use without tls\.cert_file$"),
    ],
)
def test_the_file_to_blame_is_named(
    files: Files, ca: str | None, cert: str | None, key: str | None, sentence: str
) -> None:
    """Each mistake is told with its key and its file, and with a hint."""
    paths = [None if name is None else getattr(files, name) for name in (ca, cert, key)]

    with pytest.raises(ConfigError, match=sentence) as caught:
        tls_context(*paths)

    assert caught.value.hint
    assert "BEGIN" not in caught.value.report()


def test_files_that_are_not_there_are_all_named(files: Files) -> None:
    """A missing file is told with the system's reason, and every one of them at once."""
    missing = str(files.folder / "missing.pem")

    with pytest.raises(ConfigError) as caught:
        tls_context(missing, missing, missing)

    assert caught.value.sentence.splitlines() == [
        f"tls.{key}: {missing} cannot be read: No such file or directory"
        for key in ("ca_file", "cert_file", "key_file")
    ]
