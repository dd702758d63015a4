"""XMP packets: what every other program reads to learn that a picture was made by a machine.

The properties are those of the IPTC Photo Metadata Standard 2025.1: `DigitalSourceType` is
trainedAlgorithmicMedia, or compositeWithTrainedAlgorithmicMedia where a part is still the picture
that somebody brought; the AI system, its version and, where it may be told, the prompt. One
property of our own holds the settings as JSON in ASCII, so that JPEG and WebP files recall them as
PNG files do.

Packets of strangers are read without DTDs, and only our own property and the source type are looked
for.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
DRAWN = f"{SOURCE_TYPES}trainedAlgorithmicMedia"
COMPOSITE = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
OURS = "urn:nonette:xmp:1.0:"
NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "nonette": OURS,
}
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0
RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
MAX_PACKET_BYTES = 1 << 20


def build(
    *, model: str, version: str, prompt: str | None, settings: str, source_type: str = DRAWN
) -> bytes:
    """The packet of one file, UTF-8.

    Args:
        model: The name of the model that drew.
        version: The version of Nonette.
        prompt: The sentence, or None where the file must not tell it. Characters that XML cannot
            hold are replaced here; `settings` keeps them.
        settings: JSON in ASCII, as `read` gives it back.
        source_type: `DRAWN`, or `COMPOSITE` where a part was not.
    """
    properties = {
        "Iptc4xmpExt:DigitalSourceType": source_type,
        "Iptc4xmpExt:AISystemUsed": f"Nonette, model {model}",
        "Iptc4xmpExt:AISystemVersionUsed": version,
        "Iptc4xmpExt:AIPromptInformation": prompt,
        "xmp:CreatorTool": f"Nonette {version}",
        "nonette:settings": settings,
    }
    declarations = "".join(f'\n    xmlns:{name}="{uri}"' for name, uri in NAMESPACES.items())
    elements = "".join(
        f"\n   <{name}>{escape(FORBIDDEN.sub(chr(0xFFFD), value))}</{name}>"
        for name, value in properties.items()
        if value
    )
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'  <rdf:Description rdf:about=""{declarations}>{elements}\n'
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    ).encode()


def read(packet: bytes) -> str | None:
    """The settings in a packet as `build` got them, or None where it is damaged or not ours."""
    return _property(packet, f"{{{OURS}}}settings")


def source_type(packet: bytes) -> str | None:
    """The digital source type that a packet claims, ours or a stranger's, or None."""
    return _property(packet, f"{{{NAMESPACES['Iptc4xmpExt']}}}DigitalSourceType")


def _property(packet: bytes, name: str) -> str | None:
    """The text of the first property of that name."""
    if len(packet) > MAX_PACKET_BYTES:
        return None
    try:
        text = packet.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError):
        return None
    for element in root.iter():
        if element.tag == name:
            return element.text or element.attrib.get(RESOURCE)
        if name in element.attrib:  # how some editors write a packet anew
            return element.attrib[name]
    return None
