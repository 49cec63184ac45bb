"""Pages of the list of templates, from Meta's references of the list and of components, and from Kapso's own page."""

from __future__ import annotations

from typing import Any, Final

from campaigns.message.provider_templates import ButtonPart, HeaderPart, ProviderTemplate, TemplateParts

KAPSO_PAGE: Final[dict[str, Any]] = {
    "data": [
        {
            "id": "1192339204654487",
            "name": "hello_world",
            "previous_category": "ACCOUNT_UPDATE",
            "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Hello World"},
                {"type": "BODY", "text": "Welcome and congratulations!!"},
                {"type": "FOOTER", "text": "WhatsApp Business API Team"},
            ],
            "language": "en_US",
            "status": "APPROVED",
            "category": "MARKETING",
        },
        {
            "id": "920070352646140",
            "name": "seasonal_promotion",
            "components": [
                {"type": "HEADER", "format": "TEXT", "text": "Fall Sale"},
                {
                    "type": "BODY",
                    "text": "Hi {{1}}, our Fall Sale is on! Use promo code {{2}} Get an extra 25% off!",
                    "example": {"body_text": [["Mark", "FALL25"]]},
                },
                {"type": "FOOTER", "text": "Not interested? Tap Stop Promotions"},
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop promotions"}]},
            ],
            "language": "en_US",
            "status": "APPROVED",
            "category": "MARKETING",
        },
    ],
    "paging": {"cursors": {"before": "MAZDZD", "after": "MjQZD"}},
}
META_PAGE: Final[dict[str, Any]] = {
    "data": [
        {
            "name": "order_delivery_update",
            "parameter_format": "NAMED",
            "components": [
                {"type": "HEADER", "format": "LOCATION"},
                {
                    "type": "BODY",
                    "text": "Good news {{customer_name}}! Your order #{{order_id}} is on its way.",
                    "example": {
                        "body_text_named_params": [
                            {"param_name": "customer_name", "example": "Mark"},
                            {"param_name": "order_id", "example": "566701"},
                        ]
                    },
                },
                {
                    "type": "BUTTONS",
                    "buttons": [
                        {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "15550051310"},
                        {
                            "type": "URL",
                            "text": "Track it",
                            "url": "https://www.example.com/track/{{1}}",
                            "example": ["https://www.example.com/track/566701"],
                        },
                        {"type": "COPY_CODE", "text": "Copy the code", "example": "250FF"},
                    ],
                },
            ],
            "language": "en_US",
            "status": "REJECTED",
            "rejected_reason": "INVALID_FORMAT",
            "category": "UTILITY",
            "quality_score": {"score": "GREEN", "date": 1728408014},
            "id": "1667192013751005",
        },
        {
            "name": "summer_cards",
            "components": [
                {"type": "BODY", "text": "Our newest:"},
                {
                    "type": "CAROUSEL",
                    "cards": [
                        {
                            "components": [
                                {
                                    "type": "HEADER",
                                    "format": "IMAGE",
                                    "example": {"header_handle": ["https://scontent.whatsapp.net/v/t61"]},
                                },
                                {
                                    "type": "BODY",
                                    "text": "Rare lemons for unique cocktails. Use code {{1}} to get {{2}} off.",
                                    "example": {"body_text": [["15OFF", "15%"]]},
                                },
                                {
                                    "type": "BUTTONS",
                                    "buttons": [
                                        {"type": "QUICK_REPLY", "text": "Send me more like this!"},
                                        {
                                            "type": "URL",
                                            "text": "Buy now!",
                                            "url": "https://www.luckyshrub.com/shop?promo={{1}}",
                                        },
                                    ],
                                },
                            ]
                        },
                        {"components": []},
                    ],
                },
            ],
            "language": "de",
            "status": "PAUSED",
            "rejected_reason": "NONE",
            "category": "MARKETING",
            "quality_score": {"score": "UNKNOWN"},
            "id": "1667192013751006",
        },
    ],
    "paging": {"cursors": {"before": "QVFIU", "after": "QVFIV"}},
}
KAPSO_READ: Final = [
    ProviderTemplate(
        "hello_world",
        "en_US",
        "APPROVED",
        "marketing",
        TemplateParts(
            HeaderPart("text", "Hello World"), "Welcome and congratulations!!", "WhatsApp Business API Team"
        ),
        previous_category="account_update",
    ),
    ProviderTemplate(
        "seasonal_promotion",
        "en_US",
        "APPROVED",
        "marketing",
        TemplateParts(
            HeaderPart("text", "Fall Sale"),
            "Hi {{1}}, our Fall Sale is on! Use promo code {{2}} Get an extra 25% off!",
            "Not interested? Tap Stop Promotions",
            (ButtonPart("quick_reply", "Stop promotions"),),
        ),
    ),
]
META_READ: Final = [
    ProviderTemplate(
        "order_delivery_update",
        "en_US",
        "REJECTED",
        "utility",
        TemplateParts(
            HeaderPart("location"),
            "Good news {{customer_name}}! Your order #{{order_id}} is on its way.",
            buttons=(
                ButtonPart("phone_number", "Call"),
                ButtonPart("url", "Track it", "https://www.example.com/track/{{1}}"),
                ButtonPart("copy_code", "Copy the code"),
            ),
        ),
        quality="GREEN",
        reason="INVALID_FORMAT",
    ),
    ProviderTemplate(
        "summer_cards",
        "de",
        "PAUSED",
        "marketing",
        TemplateParts(
            body="Our newest:",
            others=("carousel",),
            cards=(
                TemplateParts(
                    HeaderPart("image"),
                    "Rare lemons for unique cocktails. Use code {{1}} to get {{2}} off.",
                    buttons=(
                        ButtonPart("quick_reply", "Send me more like this!"),
                        ButtonPart("url", "Buy now!", "https://www.luckyshrub.com/shop?promo={{1}}"),
                    ),
                ),
                TemplateParts(),
            ),
        ),
    ),
]
