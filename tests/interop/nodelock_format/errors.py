"""Why something is refused: one class for each error name in the vectors (docs/FORMAT.md, section 10)."""


class FormatError(Exception):
    """Something was refused."""


class Malformed(FormatError):
    """It is not in the format."""


class TooLarge(FormatError):
    """Longer than anything of its kind can be."""


class BadSignature(FormatError):
    """A signature does not fit the message or its certificate."""


class UntrustedSigner(FormatError):
    """No chain leads from the signer to a root."""


class CertificateExpired(FormatError):
    """Signed at a time outside the certificate's."""


class LeaseTooLong(FormatError):
    """A license that ends later than the certificate allows."""


class WeakKey(FormatError):
    """A public key of small order."""


class UnsupportedVersion(FormatError):
    """Made by a newer version."""


class CriticalExtension(FormatError):
    """Holds a critical extension that this version does not know."""


class WrongType(FormatError):
    """A message or a code of another kind."""


class WrongRequest(FormatError):
    """A proof and a request that do not belong together."""


class UnreadableCode(FormatError):
    """Too much of a typed code is wrong or missing."""


class SeveralMessages(FormatError):
    """Several where one is expected."""


class DamagedFile(FormatError):
    """A file on the device is damaged."""
