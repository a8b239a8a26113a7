"""What upstream's authors published of U2NETP: 18 pictures and the map that they got for each."""

from release_tool.core.digest import Sha256
from release_tool.recipes.replay import PublishedResult, ReplaySpec

# Names under test_data/test_images at the pinned commit, digests of the picture and of the PNG of
# the same stem under test_data/u2netp_results; computed from that tree.
PICTURES = (
    (
        "0002-01.jpg",
        "f9444593bb49b78a66562a5c4d8a6166f608cc5c4a8e4a0f0cc2d6dcf338b1aa",
        "9fb891dc16a1512b7313378e041eb0bf94eedcc693de2ab6afa3a20b689b6958",
    ),
    (
        "0003.jpg",
        "8d13d397fcbc4c3742d1d30d00cabe53c7b1ecd0a8cbf5a73ab0f78330fca12f",
        "782ac724634e207be9b153eb913fa553788990189270092a21f8f3e2e607e7cf",
    ),
    (
        "bike.jpg",
        "1f9b85fa12ba013b04b3c5f069d28459987d5f60170d9541907acc312d52ea9d",
        "14c4921a68e21c1c13b6507afde69829abb7b28f755cedd5e5762fa1c331eaac",
    ),
    (
        "boat.jpg",
        "33108b11bae2f9bbaac5f1467a9e325b8dd24ae75582003bf2361cae4b8c8055",
        "b5dcdbd09419a965cf8769a3b5c293e8fff5bf1927dcddf9faf55302eae5d2a3",
    ),
    (
        "girl.png",
        "b0b1984957a3a5257788c4395fda0f5f9ca2a33fcc256e71a2f2b6c5cba8702d",
        "c90681e2d55e23de21e2146bc03d73d133a8f7438a5200a7a143d55972823bc0",
    ),
    (
        "hockey.png",
        "85701d4cc5df0e0830d69f846e31adc43b0e2a05ef8c20490ae74e781313d24a",
        "7d6dff8b09d8d4c66993c6b6c0d2226abafa90c2791771ced1be0025442a92ed",
    ),
    (
        "horse.jpg",
        "ef7a90ef39ae6265db3ad9c03cf9a6f1ff7be3b3fe11b203ae05e300b7d8aaa1",
        "b3822214de86d05b8bc2a66d8ebc3417548b736af6750649f3a2fbdd0f379f7d",
    ),
    (
        "im_01.png",
        "1e21ceaa4329a7377fd0097ad8912551cf58ce97196b0f27d582e275144b65e8",
        "d9c28d47cbc1998e91f115855f6ace4dd714bfb4a1c60bc02f93b1b3ff729eb3",
    ),
    (
        "im_14.png",
        "9dabe42da608c6941b7459baafbe6a0aaf3083344cfd240e7b75b408412c7c7d",
        "50cf7549d72583d12b2256b00e950ddd4cd17f7925e705a8305eb3a685a89a7a",
    ),
    (
        "im_21.png",
        "ed9bb4934105e527008461f29e8145938b6b9c798e88ec2bbb405e820df50411",
        "d3e85b4382b8a03caf95d3195ebf48e9d4d59f33e03dfc1f00a2978d17276c5f",
    ),
    (
        "im_27.png",
        "fc70fc37cbbaa167d07902761cb3941d2580daf4babb8797acedaac2e26b8fbf",
        "e5fba3494032c408329f75428c10d9f9f6b21681a7a8b201b3a3d527061c6acd",
    ),
    (
        "lamp2_meitu_1.jpg",
        "b65bd7de6efeae61c70bcd1e240a90b1bb296c1900901cfacac1bc3defc4884d",
        "4312900160c077feb3e734e52c2255bf0e96cb2cc0ac6b4e4df6833c469e8ad2",
    ),
    (
        "long.jpg",
        "d7e6c7e0a6cdaa0b35f6a4805d24bab5a97e5081db0d9dcd481cc2ae7ed6dbab",
        "72619f5601b032ff665ee2057282dee04c514c70500e1125ad3a72cce2167466",
    ),
    (
        "rifle1.jpg",
        "ac4b2fe1d6506575f764c5565c15fe957f2dc1321f8cc78245e89cf2ab1a97ad",
        "9a216dd7c2371f553f474d20f9f62481f6760736eadb25fdfd0e9d24b2cbd9f3",
    ),
    (
        "rifle2.jpeg",
        "c36f2b938e5fff16398440c18709bd5d4f08cbdf4319477e951fd272c31d5008",
        "bb5b4dd41ce3c5496acd68646bae3ae587a85ce0a3384b4c8120a6b1c9ed3d94",
    ),
    (
        "sailboat3.jpg",
        "a80de7ce415ff7515bdc2e907141128dae2b0b2b5f0da6d3c716c0a6682e57ec",
        "e80b73865b6f1727df38748deecc930472556afa0e081a89ba3c4c6df4122a33",
    ),
    (
        "vangogh.jpeg",
        "6fedbdea09ef34f4b7566f385dce759a6a94d4b95bb38ceba8650954c2e5d403",
        "8c4385989b7928871b416944a2af995b852f08422112ce47232609e1dfa2de22",
    ),
    (
        "whisk.png",
        "4eb7b7e9f73fe4516c66b9c6ab18fbd39de1596e8c16a89e3d7c7f6f6b2b8576",
        "6694c96604e34824f88c74f9cbd12097def06a4fceb87ba760841d8b37003159",
    ),
)

RESULTS = tuple(
    PublishedResult(
        picture=f"test_data/test_images/{name}",
        picture_sha256=Sha256(picture),
        result=f"test_data/u2netp_results/{name.rpartition('.')[0]}.png",
        result_sha256=Sha256(result),
    )
    for name, picture, result in PICTURES
)

# scikit-image resized without anti-aliasing by default when these results were made, in 2020.
U2NETP_REPLAY = ReplaySpec(
    source="https://github.com/xuebinqin/U-2-Net/blob/"
    "ac7e1c817ecab7c7dff5ce6b1abba61cd213ff29/data_loader.py (RescaleT, ToTensorLab) and "
    "u2net_test.py (normPRED, save_output), with scikit-image of 2020",
    preparation=(
        "channels RGB",
        "resize linear 320x320",
        "maximum 1",
        "subtract 0.485 0.456 0.406",
        "divide 0.229 0.224 0.225",
    ),
    restoration=("range 0 1", "bits 8", "resize bilinear"),
    results=RESULTS,
)
