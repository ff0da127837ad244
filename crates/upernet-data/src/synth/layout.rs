//! What stands where in a street.

use super::{
    building::{Building, Closing},
    camera::Place,
    car::{Car, heading},
    cyclist::Cyclist,
    dice::Dice,
    fence::Fence,
    person::Person,
    pole::Pole,
    sign::Sign,
    stage::Thing,
    street::{Side, Street},
    tree::Tree,
};

/// Metres along up to which a street is furnished.
const FAR: f32 = 130.0;

/// What stands in a street, with the metres along by which it is sorted.
pub(super) type Things = Vec<(f32, Box<dyn Thing>)>;

/// Rolls the dice for everything that stands in a street.
pub(super) fn furnish(dice: &mut Dice, street: &Street) -> Things {
    let mut things = Things::new();
    let winter = dice.pick(&[0.0, 0.1, 0.4, 0.8]);
    let busy = dice.between(0.3, 1.6);
    for (side, sign) in street.sides.iter().zip([-1.0, 1.0]) {
        let far = FAR.min(street.end);
        frontage(dice, &mut things, (side, sign), [winter, far]);
        furniture(dice, &mut things, (side, sign), [winter, far]);
        parked(dice, &mut things, (side, sign), far);
        walkers(dice, &mut things, (side, sign), busy);
    }
    traffic(dice, &mut things, street, busy);
    if street.end < FAR {
        let height = dice.between(6.0, 16.0);
        let reach = [dice.between(-60.0, -20.0), dice.between(20.0, 60.0)];
        things.push((
            street.end,
            Box::new(Closing::roll(dice, reach, street.end + 4.0, height)),
        ));
    }
    things.sort_by(|a, b| b.0.total_cmp(&a.0));
    things
}

/// Buildings, gardens and greens along one side.
fn frontage(
    dice: &mut Dice,
    things: &mut Things,
    (side, sign): (&Side, f32),
    [winter, far]: [f32; 2],
) {
    let garden = side.front - side.edge > 0.5;
    let built = dice.between(0.55, 1.0);
    let tall = if garden { 6.5 } else { dice.between(8.0, 18.0) };
    let mut along = dice.between(-6.0, 2.0);
    while along < far {
        let length = dice.between(6.0, 17.0);
        let [from, to] = side.mouth;
        if from < to && from - 1.0 < along + length && along < to {
            let rest = from - 1.0 - along;
            if rest > 4.0 {
                built_up(dice, things, (side, sign), [along, along + rest], tall);
            }
            along = to + 1.0;
            continue;
        }
        let span = [along, along + length];
        if dice.chance(built) {
            let gap = if garden { dice.between(0.5, 4.0) } else { 0.0 };
            built_up(dice, things, (side, sign), [span[0] + gap, span[1]], tall);
        } else {
            green(dice, things, (side, sign), span, winter);
        }
        if garden && along < 60.0 && dice.chance(0.5) {
            let lateral = sign * (side.edge + 0.15);
            let fence = Fence::roll(dice, [lateral, span[0]], [lateral, span[1]]);
            things.push((0.5 * (span[0] + span[1]), Box::new(fence)));
        }
        if garden && dice.chance(0.5) {
            let place = [
                sign * dice.between(side.edge + 0.6, side.front.max(side.edge + 0.7)),
                0.0,
                dice.between(span[0], span[1]),
            ];
            plant(dice, things, place, winter);
        }
        along += length;
    }
}

fn built_up(
    dice: &mut Dice,
    things: &mut Things,
    (side, sign): (&Side, f32),
    span: [f32; 2],
    tall: f32,
) {
    let height = tall * dice.between(0.75, 1.5);
    let front = side.front
        + if dice.chance(0.2) {
            dice.between(0.0, 1.5)
        } else {
            0.0
        };
    let building = Building::roll(dice, sign, front, span, height);
    things.push((0.5 * (span[0] + span[1]), Box::new(building)));
}

fn green(
    dice: &mut Dice,
    things: &mut Things,
    (side, sign): (&Side, f32),
    span: [f32; 2],
    winter: f32,
) {
    for _ in 0..3 {
        let place = [
            sign * (side.edge + dice.between(1.0, 12.0)),
            0.0,
            dice.between(span[0], span[1]),
        ];
        plant(dice, things, place, winter);
    }
    if span[0] < 60.0 && dice.chance(0.5) {
        let lateral = sign * (side.edge + 0.15);
        let fence = Fence::roll(dice, [lateral, span[0]], [lateral, span[1]]);
        things.push((0.5 * (span[0] + span[1]), Box::new(fence)));
    }
}

fn plant(dice: &mut Dice, things: &mut Things, place: Place, winter: f32) {
    // Trees right beside the camera would cover everything.
    if place[2] < 4.0 {
        return;
    }
    let tree = if dice.chance(0.55) {
        Tree::roll(dice, place, winter)
    } else {
        Tree::bush(dice, place)
    };
    things.push((place[2], Box::new(tree)));
}

/// Lamp posts, signs, bollards and trees on the pavement.
fn furniture(
    dice: &mut Dice,
    things: &mut Things,
    (side, sign): (&Side, f32),
    [winter, far]: [f32; 2],
) {
    let by_kerb = sign * (side.kerb + 0.45);
    let spacing = dice.between(18.0, 40.0);
    let mut along = dice.between(5.0, 5.0 + spacing);
    while along < far.min(50.0) {
        let lamp = Pole::lamp(dice, [by_kerb, 0.0, along]);
        things.push((along, Box::new(lamp)));
        along += spacing;
    }
    let mut along = dice.between(5.0, 14.0);
    while along < far.min(32.0) {
        let place = [sign * (side.kerb + dice.between(0.5, 1.0)), 0.0, along];
        if dice.chance(0.75) {
            things.push((along, Box::new(Sign::roll(dice, place))));
        }
        along += dice.between(6.0, 18.0);
    }
    if side.mouth[1] > 8.0 && dice.chance(0.7) {
        let along = side.mouth[0].max(6.0) - 1.0;
        let light = Sign::traffic_light(dice, [by_kerb, 0.0, along]);
        things.push((along, Box::new(light)));
    }
    if dice.chance(0.3) {
        let step = dice.between(1.5, 3.0);
        let mut along = dice.between(4.0, 10.0);
        for _ in 0..6 {
            things.push((along, Box::new(Pole::bollard(dice, [by_kerb, 0.0, along]))));
            along += step;
        }
    }
    if side.edge - side.kerb > 2.0 && dice.chance(0.35) {
        let mut along = dice.between(7.0, 15.0);
        while along < far {
            let tree = Tree::roll(dice, [sign * (side.kerb + 0.8), 0.0, along], winter);
            things.push((along, Box::new(tree)));
            along += dice.between(8.0, 16.0);
        }
    }
    if dice.chance(0.12) {
        let start = dice.between(4.0, 15.0);
        let end = start + dice.between(5.0, 20.0);
        let fence = Fence::roll(dice, [by_kerb, start], [by_kerb, end]);
        things.push((start + 3.0, Box::new(fence)));
    }
}

/// Parked cars along the kerb.
fn parked(dice: &mut Dice, things: &mut Things, (side, sign): (&Side, f32), far: f32) {
    if dice.chance(0.45) {
        return;
    }
    let full = dice.between(0.2, 0.9);
    let mut along = dice.between(4.0, 20.0);
    while along < far.min(70.0) {
        if dice.chance(full) {
            let place = [sign * (side.kerb - 1.05), 0.0, along];
            let slope = dice.between(-0.03, 0.03);
            let car = Car::roll(dice, place, heading(-sign, slope));
            let half = car.half_length();
            let place_along = along + half;
            let car = car.moved_to(place_along);
            things.push((place_along, Box::new(car)));
            along = place_along + half;
        }
        along += dice.between(0.8, 6.0);
    }
}

/// Moving cars and cyclists on the road.
fn traffic(dice: &mut Dice, things: &mut Things, street: &Street, busy: f32) {
    let half = street.half();
    for (lane, towards) in [(-0.42, 1.0), (0.42, -1.0)] {
        let mut along = dice.between(5.5, 38.0);
        while along < street.end.min(80.0) {
            if dice.chance(0.55 * busy) {
                let place = [lane * half + dice.between(-0.3, 0.3), 0.0, along];
                let slope = dice.between(-0.08, 0.08);
                let car = Car::roll(dice, place, heading(towards, slope));
                along += car.half_length();
                things.push((along, Box::new(car.moved_to(along))));
                along += car.half_length();
            }
            along += dice.between(7.0, 26.0);
        }
    }
    if dice.chance(0.2) {
        let along = dice.between(9.0, 28.0);
        let slope = dice.sign() * dice.between(1.0, 8.0);
        let place = [dice.between(-1.0, 1.0) * half, 0.0, along];
        let way = heading(dice.sign(), slope);
        let car = Car::roll(dice, place, way);
        things.push((along, Box::new(car)));
    }
    for _ in 0..3 {
        if dice.chance(0.36 * busy) {
            let along = dice.between(4.5, 18.0);
            let lateral = dice.sign() * dice.between(0.3, 0.95) * half;
            things.push((along, Box::new(Cyclist::roll(dice, [lateral, 0.0, along]))));
        }
    }
    if dice.chance(0.25 * busy) {
        let along = dice.between(6.0, 18.0);
        let lateral = dice.between(-0.8, 0.8) * half;
        things.push((along, Box::new(Person::roll(dice, [lateral, 0.0, along]))));
    }
}

/// People on the pavement, alone or in groups.
fn walkers(dice: &mut Dice, things: &mut Things, (side, sign): (&Side, f32), busy: f32) {
    for _ in 0..4 {
        if !dice.chance(0.5 * busy) {
            continue;
        }
        let along = dice.between(5.0, 26.0);
        let lateral = dice.between(side.kerb + 0.4, side.edge);
        let count = dice.pick(&[1, 1, 1, 2, 3]);
        for _ in 0..count {
            let place = [
                sign * (lateral + dice.between(-0.4, 0.4)),
                0.0,
                along + dice.between(-0.5, 0.5),
            ];
            things.push((place[2], Box::new(Person::roll(dice, place))));
        }
    }
}
