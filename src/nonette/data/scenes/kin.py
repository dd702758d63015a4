"""Kin: objects that one might call by each other's name, so that neither is a false name.

A duck is a bird and a taxi is a car, but neither a duck nor an owl is the other: most kinships are
of a general name with particular ones. Some share a name's head ("tree", "palm tree"), which the
names themselves tell; the rest stands here. Being too careful costs nothing but a wrong caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from nonette.data.scenes import catalogue
from nonette.data.scenes.catalogue import Entry
from nonette.data.scenes.nouns import Noun

# Each general name and the particular ones it might stand for.
PARTICULARS: Mapping[str, str] = {
    "bird": "rooster penguin duck owl flamingo chicken hatching_chick chick front_chick black_bird "
    "phoenix dove eagle parrot peacock turkey swan goose dodo",
    "black_bird": "duck dove eagle parrot",
    "chicken": "rooster turkey chicken_leg hatching_chick chick front_chick",
    "chick": "hatching_chick front_chick",
    "duck": "swan goose",
    "fish": "tropical_fish blowfish shark whale dolphin carp_streamer",
    "whale": "spouting_whale dolphin shark",
    "cow": "ox buffalo bison cow_head",
    "ox": "buffalo bison",
    "sheep": "ram goat llama",
    "ram": "goat",
    "pig": "boar pig_head pig_snout",
    "dog": "service_dog guide_dog poodle dog_head wolf",
    "service_dog": "guide_dog poodle",
    "cat": "black_cat cat_head smiling_cat crying_cat cat_in_love",
    "horse": "horse_head unicorn zebra donkey carousel_horse horse_racing chess_pawn",
    "rabbit": "rabbit_head",
    "tiger": "tiger_head leopard",
    "mouse": "mouse_head rat hamster",
    "monkey": "monkey_head orangutan gorilla see_no_evil_monkey hear_no_evil_monkey "
    "speak_no_evil_monkey",
    "see_no_evil_monkey": "hear_no_evil_monkey speak_no_evil_monkey monkey_head",
    "dragon": "dragon_head dinosaur sauropod",
    "dinosaur": "sauropod lizard",
    "crocodile": "lizard",
    "deer": "moose",
    "bear": "polar_bear panda koala teddy_bear",
    "camel": "bactrian_camel",
    "beetle": "ladybird cockroach cricket",
    "fly": "mosquito bee",
    "worm": "caterpillar snake",
    "squirrel": "hamster",
    "octopus": "squid jellyfish",
    "crab": "lobster",
    "shrimp": "lobster fried_shrimp",
    "seal": "otter",
    "tree": "palm_tree pine_tree christmas_tree tanabata_tree",
    "pine_tree": "christmas_tree",
    "rose": "wilted_rose bouquet",
    "bouquet": "tulip sunflower hibiscus daisy hyacinth lotus cherry_blossom wilted_rose",
    "herb": "seedling potted_plant four_leaf_clover shamrock fluttering_leaf rice_sheaf",
    "four_leaf_clover": "shamrock",
    "apple": "green_apple",
    "lemon": "lime",
    "cake": "shortcake cupcake moon_cake pancakes pie",
    "bread": "baguette croissant flatbread bagel sandwich",
    "cookie": "rice_cracker fortune_cookie",
    "bowl": "bowl_of_rice noodle_soup curry pot_of_food salad paella oden shaved_ice cup",
    "bowl_of_rice": "curry noodle_soup",
    "chili": "bell_pepper",
    "beans": "pea_pod peanut",
    "candy": "lollipop chocolate_bar",
    "sundae": "ice_cream shaved_ice custard",
    "cup": "cup_with_straw beer_mug mate bubble_tea tea_bowl glass_of_milk bowl",
    "wine_glass": "cocktail champagne whisky tropical_drink glass_of_milk",
    "beer_mug": "clinking_beers",
    "car": "taxi police_car suv racing_car front_car oncoming_taxi oncoming_police_car ambulance "
    "pickup_truck",
    "front_car": "taxi police_car suv racing_car oncoming_taxi oncoming_police_car",
    "truck": "articulated_lorry pickup_truck fire_engine ambulance",
    "bus": "oncoming_bus trolleybus minibus",
    "train": "high_speed_train bullet_train front_train metro light_rail tram tram_car monorail "
    "railway_carriage mountain_railway suspension_railway",
    "front_train": "high_speed_train bullet_train metro light_rail tram tram_car monorail "
    "railway_carriage mountain_railway",
    "metro": "light_rail tram railway_carriage high_speed_train",
    "tram": "tram_car light_rail trolleybus",
    "cable_car": "aerial_tramway suspension_railway tram_car",
    "aeroplane": "small_aeroplane aeroplane_departure aeroplane_arrival",
    "ship": "ferry passenger_ship sailboat speedboat motor_boat canoe",
    "motor_boat": "speedboat sailboat ferry canoe",
    "motorcycle": "motor_scooter",
    "motor_scooter": "kick_scooter",
    "bicycle": "cyclist mountain_biker",
    "wheelchair": "motorized_wheelchair wheelchair_user motorized_wheelchair_user",
    "rocket": "flying_saucer",
    "house": "houses derelict_house house_with_garden hut church",
    "houses": "derelict_house house_with_garden",
    "church": "wedding_chapel",
    "temple": "bank post_office hindu_temple torii japanese_castle mosque synagogue",
    "hotel": "love_hotel",
    "office_building": "post_office japanese_post_office hospital bank hotel school factory "
    "department_store convenience_store",
    "tent": "campsite circus_tent",
    "railway_track": "train motorway",
    "postbox": "mailbox open_mailbox ballot_box",
    "traffic_light": "traffic_light_row",
    "shoe": "boot mans_shoe high_heel sandal hiking_boot flat_shoe flip_flop ballet_shoes "
    "roller_skate ice_skate",
    "boot": "hiking_boot high_heel",
    "top_hat": "sun_hat graduation_cap cap rescue_helmet military_helmet",
    "cap": "graduation_cap sun_hat rescue_helmet military_helmet",
    "t_shirt": "running_shirt blouse shirt_and_tie",
    "dress": "kimono sari lab_coat",
    "coat": "lab_coat safety_vest karate_uniform",
    "bikini": "swimsuit briefs",
    "shorts": "briefs jeans swimsuit",
    "backpack": "purse handbag clutch_bag briefcase suitcase shopping_bags",
    "handbag": "purse clutch_bag briefcase",
    "suitcase": "briefcase",
    "glasses": "sunglasses goggles diving_mask",
    "crown": "royal",
    "key": "old_key",
    "axe": "pickaxe",
    "hammer": "pickaxe hammer_and_pick hammer_and_wrench",
    "wrench": "hammer_and_wrench nut_and_bolt",
    "knife": "dagger fork_and_knife crossed_swords",
    "spoon": "fork_and_knife",
    "umbrella": "closed_umbrella beach_umbrella umbrella_in_rain",
    "pencil": "crayon pen nib fountain_pen paintbrush",
    "pen": "nib fountain_pen",
    "ruler": "set_square",
    "jar": "amphora honey_pot funeral_urn",
    "bell": "bellhop_bell",
    "timer": "stopwatch hourglass alarm_clock mantel_clock clock watch",
    "clock": "alarm_clock mantel_clock stopwatch watch",
    "telephone": "telephone_receiver mobile_phone",
    "speaker": "loudspeaker megaphone",
    "envelope": "red_envelope love_letter",
    "package": "takeout_box juice_box gift",
    "newspaper": "rolled_newspaper",
    "camera": "camera_flash video_camera movie_camera",
    "film_projector": "movie_camera film_frames",
    "laptop": "desktop_computer",
    "cd": "dvd minidisc",
    "minidisc": "floppy_disk",
    "link": "chains broken_chain paperclips",
    "chains": "broken_chain",
    "paperclip": "paperclips",
    "magnifying_glass": "mirror",
    "pushpin": "round_pushpin safety_pin sewing_needle",
    "page": "curled_page scroll memo receipt clipboard bookmark_tabs notepad ledger x_ray",
    "notebook": "decorated_notebook spiral_calendar ledger notepad",
    "calendar": "spiral_calendar notepad",
    "book": "open_book books notebook decorated_notebook ledger",
    "bar_chart": "line_chart",
    "card_index": "index_dividers card_file_box",
    "ticket": "admission_ticket",
    "banknote": "flying_money money_bag",
    "world_map": "map_of_japan globe wire_globe planet",
    "id_card": "name_badge label",
    "bucket": "basket wastebasket oil_drum",
    "couch": "seat chair",
    "chair": "seat wheelchair",
    "bathtub": "person_bathing",
    "bed": "person_in_bed",
    "candle": "oil_lamp lantern",
    "lantern": "oil_lamp",
    "outbox_tray": "inbox_tray",
    "teapot": "mate",
    "guitar": "banjo violin",
    "trumpet": "postal_horn saxophone",
    "drum": "djembe",
    "microphone": "studio_microphone",
    "musical_note": "musical_notes musical_score",
    "football": "basketball baseball softball volleyball billiard_ball american_football "
    "rugby_ball crystal_ball bowling mirror_ball confetti_ball",
    "skis": "skier",
    "fishing_rod": "carp_streamer",
    "field_hockey": "ice_hockey lacrosse",
    "trophy": "medal first_place_medal",
    "medal": "first_place_medal second_place_medal third_place_medal military_medal rosette",
    "first_place_medal": "second_place_medal third_place_medal military_medal",
    "chequered_flag": "pennant goal",
    "bullseye": "hole ring_buoy",
    "balloon": "party_popper",
    "die": "mahjong_tile",
    "joker": "flower_card",
    "nesting_dolls": "japanese_dolls",
    "snowman": "snowman_in_snow",
    "firecracker": "bomb sparkler fireworks",
    "star": "pointed_star glowing_star dizzy_star shooting_star sparkles",
    "shooting_star": "comet",
    "sun": "sun_face sun_behind_cloud",
    "cloud": "rain_cloud snow_cloud thundercloud sun_behind_cloud puff speech_bubble "
    "thought_bubble wind_face",
    "rain_cloud": "snow_cloud thundercloud lightning",
    "lightning": "thundercloud",
    "mountain": "snowy_mountain mount_fuji volcano",
    "snowy_mountain": "mount_fuji",
    "planet": "globe wire_globe full_moon",
    "full_moon": "crescent_moon moon_face",
    "tornado": "cyclone wind_face",
    "rock": "gem moai headstone",
    "bubbles": "droplet sweat_drops",
    "droplet": "sweat_drops blood_drop",
    "wave": "beach",
    "island": "beach",
    "nest": "nest_with_eggs",
    "paw_prints": "footprints",
    "skull": "skull_and_crossbones",
    "heart": "love_letter broken_heart heart_with_arrow heart_with_ribbon sparkling_heart "
    "burning_heart mending_heart two_hearts revolving_hearts beating_heart anatomical_heart",
    "fire": "burning_heart",
    "eye": "eyes evil_eye",
    "ear": "hearing_aid",
    "mouth": "biting_lip kiss_mark tongue",
    "leg": "mechanical_leg foot",
    "flexed_arm": "mechanical_arm",
    "raised_hand": "spread_hand waving_hand vulcan_salute palm_up_hand palm_down_hand hamsa "
    "open_hands raising_hands clapping_hands",
    "open_hands": "raising_hands clapping_hands folded_hands cupped_hands heart_hands",
    "raised_fist": "oncoming_fist",
    "victory_hand": "crossed_fingers",
    "horns_sign": "love_you_hand call_me_hand",
    "pointing_up": "pointing_down pointing_at_viewer",
    "pinched_fingers": "pinching_hand",
    "palm_up_hand": "palm_down_hand",
    "silhouette": "silhouettes speaking_head hugging_people",
    "diamond_suit": "orange_diamond gem",
    "radioactive_sign": "biohazard_sign warning_sign",
    "ogre": "goblin devil troll",
    "alien": "alien_monster",
    "ghost": "alien",
    "robot": "alien_monster",
    "santa": "mrs_claus older_person",
    "couple": "couple_with_heart kissing_couple",
    "child": "baby",
    "older_person": "white_haired_person",
    "mage": "fairy genie",
    "genie": "levitating_man",
    "runner": "walker",
    "meditating_person": "sauna_goer",
    "cyclist": "mountain_biker",
    "swimmer": "surfer water_polo_player rower",
    "royal": "cherub",
    "supervillain": "superhero vampire",
    "wheelchair_user": "motorized_wheelchair_user",
}
ANYONE = "adult"  # every person is one

# What backdrops, and times of day, themselves show something of.
SHOWN: Mapping[str, str] = {
    "moon": "planet globe wire_globe star sparkles rock",
    "space": "planet full_moon moon_face star sparkles shooting_star comet",
    "beach": "sun cloud wave seashell beach",
    "desert": "sun mountain rock moai",
    "forest": "tree pine_tree christmas_tree log",
    "snow": "tree pine_tree christmas_tree snowflake cloud",
    "underwater": "bubbles coral herb wave",
    "city": "office_building hotel bank hospital department_store houses house window",
    "meadow": "sun cloud seedling daisy hibiscus tulip cherry_blossom herb",
    "mountains": "mountain snowy_mountain mount_fuji volcano",
    "room": "window brick_wall",
    "sky": "cloud rain_cloud sun",
    "road": "motorway cloud",
    "volcano": "volcano mountain fire",
    "cave": "gem hole rock ice_cube",
    "sunset": "sun",
    "night": "crescent_moon full_moon moon_face star sparkles",
    "rain": "rain_cloud cloud droplet sweat_drops umbrella_in_rain",
}


@lru_cache(maxsize=1 << 16)
def are_kin(first: str, second: str) -> bool:
    """Whether one object might be called by a name of the other: "tree" and "palm tree"."""
    if first == second or second in _particulars(first) or first in _particulars(second):
        return True
    one, other = catalogue.load()[first], catalogue.load()[second]
    if one.is_person and other.is_person and ANYONE in (first, second):
        return True
    groups = {one.merge_group, other.merge_group} - {"", "face"}
    if groups & {first, second} or (groups and one.merge_group == other.merge_group):
        return True
    return _might_be_called(one, other) or _might_be_called(other, one)


def is_shown(name: str, setting: str, time: str) -> bool:
    """Whether the backdrop itself shows what one might call by the object's name."""
    return any(name in SHOWN.get(there, "").split() for there in (setting, time))


@cache
def _particulars(name: str) -> frozenset[str]:
    return frozenset(PARTICULARS.get(name, "").split())


def _might_be_called(entry: Entry, other: Entry) -> bool:
    """Whether a name of the other is the head of one of the first: last in English, else first."""
    return any(
        name == head or name.endswith(f" {head}")
        for name in _names(entry.english)
        for head in _names(other.english)
    ) or any(
        name == head or name.startswith(f"{head} ")
        for name in _names(entry.french)
        for head in _names(other.french)
    )


def _names(nouns: Sequence[Noun]) -> list[str]:
    return [noun.singular.lower() for noun in nouns]
